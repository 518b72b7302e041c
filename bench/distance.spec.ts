import { distanceOf } from './distance.js';

const ROUNDS = 50;

/** Each class has the same values, in another order; a difference is added to those of the last one. */
const samplesOf = (difference: number): number[][] =>
  Array.from({ length: ROUNDS }, (_, round) =>
    [0, 1, 2, 3].map((place) => ((round * 7 + place * 13) % ROUNDS) + (place === 3 ? difference : 0)),
  );

describe('distanceOf', () => {
  it('finds a class that differs by more than chance explains', () => {
    const { measured, byChance } = distanceOf(samplesOf(40), 100);
    expect(measured).toBe(40);
    expect(byChance).toBeLessThan(40);
  });

  it('finds no difference between classes that differ by chance only', () => {
    const { measured, byChance } = distanceOf(samplesOf(0), 100);
    expect(measured).toBe(0);
    expect(byChance).toBeGreaterThan(0);
  });
});
