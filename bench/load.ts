import { keepInFlight, latency } from './figures.js';
import { SwaigClient } from './swaig-client.js';

/**
 * Verifies right PINs of many subjects over SWAIG, a fixed number in flight. Reads its plan from standard input as JSON;
 * prints verifications per second and latencies. Any other answer than `verified` ends it with an error.
 */
interface Plan {
  readonly url: string;
  readonly authorization: string;
  readonly callers: readonly { readonly phone: string; readonly pin: string }[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly inFlight: number;
}

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const plan = JSON.parse(Buffer.concat(chunks).toString()) as Plan;
const client = new SwaigClient(plan.url, plan.authorization, plan.inFlight);

async function verify(n: number): Promise<void> {
  const outcome = await client.attempt(plan.callers[n % plan.callers.length] as Plan['callers'][number]);
  if (outcome !== 'verified') throw new Error(`a right PIN was answered with ${outcome}`);
}

const warmUp = await keepInFlight(plan.inFlight, plan.warmUpSeconds, verify);
const begun = performance.now();
const times = await keepInFlight(plan.inFlight, plan.seconds, verify);
// The last verifications end after the deadline.
const elapsed = (performance.now() - begun) / 1000;
client.close();
const { user, system } = process.cpuUsage();
const result = {
  perSecond: times.length / elapsed,
  ...latency(times),
  done: warmUp.length + times.length,
  ownMs: (user + system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
