import { keepInFlight, latency } from './figures.js';
import { SwaigDoor } from './swaig-door.js';

/**
 * Verifies right PINs of many subjects over SWAIG, a fixed number in flight. Reads its plan from standard input as JSON;
 * prints verified per second, and the milliseconds. Anything but a verified answer ends it with an error.
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
const door = new SwaigDoor(plan.url, plan.authorization, plan.inFlight);

async function verify(n: number): Promise<void> {
  const heard = await door.guess(plan.callers[n % plan.callers.length] as Plan['callers'][number]);
  if (heard !== 'verified') throw new Error(`a right PIN was answered with ${heard}`);
}

const warmUp = await keepInFlight(plan.inFlight, plan.warmUpSeconds, verify);
const begun = performance.now();
const times = await keepInFlight(plan.inFlight, plan.seconds, verify);
// The last ones end after the time is up.
const elapsed = (performance.now() - begun) / 1000;
door.close();
const { user, system } = process.cpuUsage();
const result = {
  perSecond: times.length / elapsed,
  ...latency(times),
  done: warmUp.length + times.length,
  ownMs: (user + system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
