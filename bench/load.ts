import { atRate, keepInFlight, latency } from './figures.js';
import { SwaigClient } from './swaig-client.js';

/**
 * Verifies right PINs of many subjects over SWAIG, a fixed number in flight or a fixed number per second. Reads its plan
 * from standard input as JSON; prints verifications per second and latencies. Any other answer than `verified` ends it
 * with an error.
 */
export interface LoadPlan {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** With `perSecond`: the most in flight, beyond which the run fails. */
  readonly inFlight: number;
  /** Evenly spaced, however long the answers take. Default: the next begins when one ends. */
  readonly perSecond?: number;
  /** Default `verify`. `status` requests what is known of the caller, which needs no hash. */
  readonly request?: 'verify' | 'status';
}

interface Plan extends LoadPlan {
  readonly url: string;
  readonly authorization: string;
  readonly callers: readonly { readonly phone: string; readonly pin: string }[];
}

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const plan = JSON.parse(Buffer.concat(chunks).toString()) as Plan;
const client = new SwaigClient(plan.url, plan.authorization, plan.inFlight);

async function one(n: number): Promise<void> {
  const caller = plan.callers[n % plan.callers.length] as Plan['callers'][number];
  if (plan.request === 'status') {
    const outcome = await client.status(caller.phone);
    if (outcome !== 'not verified') throw new Error(`a status request was answered with ${outcome}`);
    return;
  }
  const outcome = await client.attempt(caller);
  if (outcome !== 'verified') throw new Error(`a right PIN was answered with ${outcome}`);
}

/** Milliseconds of each request from its sending. */
async function run(seconds: number): Promise<readonly number[]> {
  if (plan.perSecond === undefined) return keepInFlight(plan.inFlight, seconds, one);
  const times: number[] = [];
  const { skipped } = await atRate(plan.perSecond, seconds, plan.inFlight, async (n) => {
    // The timer of the load generator is late by up to a millisecond, which is no time of the product.
    const sent = performance.now();
    await one(n);
    times.push(performance.now() - sent);
  });
  if (skipped > 0) throw new Error(`${skipped} requests were not sent, because ${plan.inFlight} waited for answers`);
  return times;
}

const warmUp = await run(plan.warmUpSeconds);
const begun = performance.now();
const times = await run(plan.seconds);
// The last verifications end after the deadline.
const elapsed = (performance.now() - begun) / 1000;
client.close();
const { user, system } = process.cpuUsage();
const result = {
  perSecond: times.length / elapsed,
  ...latency(times),
  times,
  done: warmUp.length + times.length,
  ownMs: (user + system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
