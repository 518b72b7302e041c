import { randomFillSync } from 'node:crypto';

/** Requests for random bytes cost 3 µs, however few they are, so they are made for many nonces and keys at once. */
const pool = Buffer.alloc(4096);
let used = pool.length;

/**
 * Random bytes for a nonce or a key. No byte is given twice, and the pool keeps none that it has given.
 * @param size at most 4096
 */
export function pooledRandomBytes(size: number): Buffer {
  if (size > pool.length - used) {
    randomFillSync(pool);
    used = 0;
  }
  const taken = pool.subarray(used, (used += size));
  const bytes = Buffer.alloc(size);
  taken.copy(bytes);
  taken.fill(0);
  return bytes;
}
