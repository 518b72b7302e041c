import { randomInt } from 'node:crypto';
import { median, percentile } from './figures.js';

/** A copy in random order. */
export function shuffled<T>(values: readonly T[]): T[] {
  const copy = [...values];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [copy[at], copy[other]] = [copy[other] as T, copy[at] as T];
  }
  return copy;
}

/** How far apart classes are, in the unit of the samples. */
export interface Distance {
  /** Between the lowest and the highest median of a class. */
  readonly measured: number;
  /** What chance alone exceeds in one of a hundred cases, if the classes do not differ. */
  readonly byChance: number;
}

/**
 * Compares classes that were measured in rounds, each class once in a round and in random order. If the classes do not differ,
 * exchanging the samples of a round changes nothing, so such exchanges show what chance alone does (a permutation test).
 * @param rounds the samples of each round, in the order of the classes
 */
export function distanceOf(rounds: readonly (readonly number[])[], exchanges = 500): Distance {
  const spread = (all: readonly (readonly number[])[]): number => {
    const medians = (all[0] ?? []).map((_, at) => median(all.map((round) => round[at] ?? NaN)));
    return Math.max(...medians) - Math.min(...medians);
  };
  const exchanged = Array.from({ length: exchanges }, () => spread(rounds.map((round) => shuffled(round))));
  return {
    measured: spread(rounds),
    byChance: percentile(
      exchanged.sort((a, b) => a - b),
      0.99,
    ),
  };
}
