const FIRST_MS = 50;
const LONGEST_MS = 5_000;

/**
 * How long to wait before the next attempt, in milliseconds: 50 doubling to 5000, of which the upper half is random, so
 * that many waiters do not come back at the same moment.
 * @param failures how often it failed in a row, from 1
 * @param random a number in [0, 1)
 */
export function backoffMs(failures: number, random: number = Math.random()): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(longest / 2 + (longest / 2) * random);
}
