import fc from 'fast-check';
import { OffsetTracker } from './offset-tracker.js';

describe('OffsetTracker', () => {
  it('has no offset to commit before the first record', () => {
    expect(new OffsetTracker().committable).toBeUndefined();
  });

  it('accepts no offset twice, whether it is in progress or finished', () => {
    const tracker = new OffsetTracker();
    expect([tracker.begin(5), tracker.begin(5), tracker.begin(4)]).toEqual([true, false, false]);
    tracker.finish(5);
    expect(tracker.begin(5)).toBe(false);
    expect(tracker.committable).toBe(6);
  });

  it('commits up to the lowest unfinished offset, in whatever order offsets finish', () => {
    const rising = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3_000 })
      .map((steps) => steps.reduce<number[]>((offsets, step) => [...offsets, (offsets.at(-1) ?? 0) + step], []));
    const run = rising.chain((offsets) =>
      fc.record({
        offsets: fc.constant(offsets),
        order: fc.shuffledSubarray(offsets, { minLength: 0 }),
        begunFirst: fc.nat(offsets.length),
      }),
    );
    fc.assert(
      fc.property(run, ({ offsets, order, begunFirst }) => {
        const tracker = new OffsetTracker();
        const begun: number[] = [];
        const finished = new Set<number>();
        const begin = (offset: number): void => {
          tracker.begin(offset);
          begun.push(offset);
        };
        const check = (): void => {
          const lowestOpen = begun.find((offset) => !finished.has(offset));
          const last = begun.at(-1);
          expect(tracker.committable).toBe(lowestOpen ?? (last === undefined ? undefined : last + 1));
        };
        offsets.slice(0, begunFirst).forEach(begin);
        check();
        for (const offset of order) {
          for (const next of offsets.slice(begun.length)) if (next <= offset) begin(next);
          tracker.finish(offset);
          finished.add(offset);
          check();
        }
      }),
      { numRuns: 40 },
    );
  });
});
