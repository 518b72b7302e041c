import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';

/** The cost that the verification service uses by default. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * Verifies one right PIN repeatedly, as many at a time as there are cores, and does nothing else: the most that the machine
 * can do. Prints verifications per second.
 */
const seconds = Number(process.argv[2] ?? 10);
const phc = await hash('83729164', COST);
const end = performance.now() + seconds * 1000;
let verified = 0;
const started = performance.now();
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    while (performance.now() < end) if (await verify(phc, '83729164')) verified += 1;
  }),
);
process.stdout.write(`${JSON.stringify({ perSecond: verified / ((performance.now() - started) / 1000) })}\n`);
