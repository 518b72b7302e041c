const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/**
 * The partition of a key, as Kafka's Java client chooses it (murmur2 of the UTF-8 bytes), so that all clients agree.
 * Uses 32-bit arithmetic, because the version in kafkajs allocates 64-bit objects for every four bytes.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

function murmur2(data: Buffer): number {
  const length = data.length;
  const whole = length & ~3;
  let hash = SEED ^ length;
  for (let i = 0; i < whole; i += 4) {
    let chunk = Math.imul(data.readInt32LE(i), MULTIPLIER);
    chunk ^= chunk >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(chunk, MULTIPLIER);
  }
  const rest = length - whole;
  if (rest > 0) {
    for (let i = rest - 1; i >= 0; i--) hash ^= data.readUInt8(whole + i) << (8 * i);
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}
