const FIRST_MS = 50;
const MAX_MS = 5_000;

/**
 * The pause before the next retry, in milliseconds: 50, doubling to 5000. The upper half is random, so that many
 * clients do not retry at the same moment.
 * @param failures consecutive failures, from 1
 * @param random a number in [0, 1)
 */
export function backoffMs(failures: number, random: number = Math.random()): number {
  const longest = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(longest / 2 + (longest / 2) * random);
}
