const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/**
 * The partition of a key, as Kafka's Java client chooses it (murmur2 of the UTF-8 bytes), so that every client agrees.
 * In 32-bit arithmetic: kafkajs' own takes 64-bit objects for every four bytes.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

function murmur2(data: Buffer): number {
  const length = data.length;
  const whole = length & ~3;
  let h = SEED ^ length;
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(data.readInt32LE(i), M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const rest = length - whole;
  if (rest > 0) {
    for (let i = rest - 1; i >= 0; i--) h ^= data.readUInt8(whole + i) << (8 * i);
    h = Math.imul(h, M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
