import fc from 'fast-check';
import { backoffMs } from './backoff.js';

describe('backoffMs', () => {
  it('doubles the pause from 50 ms to 5 s', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 100].map((failures) => backoffMs(failures, 0.999_999))).toEqual([
      50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000,
    ]);
  });

  it('stays between half of the longest pause and all of it for every random number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (n, r) => {
          const longest = backoffMs(n, 1);
          expect(backoffMs(n, r)).toBeGreaterThanOrEqual(longest / 2);
          expect(backoffMs(n, r)).toBeLessThanOrEqual(longest);
        },
      ),
    );
  });
});
