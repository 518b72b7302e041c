import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { keepInFlight, latency } from './figures.js';

/** The cost that the verification service uses by default. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * Verifies one right PIN repeatedly, as many at a time as there are cores, and does nothing else: the most that the machine
 * can do. Arguments: seconds, hashes at a time. Prints verifications per second and their milliseconds.
 */
const seconds = Number(process.argv[2] ?? 10);
const atATime = Number(process.argv[3] ?? availableParallelism());
const phc = await hash('83729164', COST);
const started = performance.now();
const times = await keepInFlight(atATime, seconds, async () => {
  if (!(await verify(phc, '83729164'))) throw new Error('a right PIN was not verified');
});
const perSecond = times.length / ((performance.now() - started) / 1000);
process.stdout.write(`${JSON.stringify({ perSecond, ...latency(times) })}\n`);
