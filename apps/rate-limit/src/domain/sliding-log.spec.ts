import fc from 'fast-check';
import { admit, EMPTY, type SlidingLog } from './sliding-log.js';

const LIMIT = { limit: 3, periodSeconds: 60 };

function play(seconds: number[], limit = LIMIT): boolean[] {
  let log: SlidingLog = EMPTY;
  return seconds.map((second, at) => {
    const admission = admit(log, `command-${at}`, second * 1000, limit);
    log = admission.log;
    return admission.admitted;
  });
}

describe('the sliding log', () => {
  it('lets exactly the limit through, also across the border of a minute', () => {
    expect(play([58, 59, 59.9, 60.1, 61])).toEqual([true, true, true, false, false]);
    expect(play([0, 0, 0, 59.999, 60])).toEqual([true, true, true, false, true]);
  });

  it('lets a repeated command through for free, and does not count it', () => {
    const first = admit(EMPTY, 'same', 0, { limit: 1, periodSeconds: 60 });
    const again = admit(first.log, 'same', 1000, { limit: 1, periodSeconds: 60 });
    expect(again.admitted).toBe(true);
    expect(again.log.hits).toHaveLength(1);
    expect(admit(again.log, 'other', 2000, { limit: 1, periodSeconds: 60 }).admitted).toBe(false);
  });

  it('lets nothing through until enough has left a tightened limit', () => {
    let log: SlidingLog = EMPTY;
    for (const at of [0, 1000, 2000]) log = admit(log, String(at), at, LIMIT).log;
    expect(admit(log, 'x', 3000, { limit: 1, periodSeconds: 60 }).retryAt).toBe(62_000);
  });

  const sequences = fc.record({
    limit: fc.integer({ min: 1, max: 64 }),
    periodSeconds: fc.integer({ min: 1, max: 30 }),
    steps: fc.array(fc.integer({ min: 0, max: 2500 }), { maxLength: 150 }),
  });

  it('never lets more than the limit through in any window, and refuses nobody below it', () => {
    fc.assert(
      fc.property(sequences, ({ limit, periodSeconds, steps }) => {
        let log: SlidingLog = EMPTY;
        let now = 0;
        const admitted: number[] = [];
        for (const [at, step] of steps.entries()) {
          now += step;
          const inWindow = admitted.filter((time) => time > now - periodSeconds * 1000).length;
          const admission = admit(log, String(at), now, { limit, periodSeconds });
          expect(admission.admitted).toBe(inWindow < limit);
          if (admission.admitted) admitted.push(now);
          log = admission.log;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('names the first moment that passes', () => {
    fc.assert(
      fc.property(sequences, ({ limit, periodSeconds, steps }) => {
        let log: SlidingLog = EMPTY;
        let now = 0;
        for (const [at, step] of steps.entries()) {
          now += step;
          const admission = admit(log, String(at), now, { limit, periodSeconds });
          log = admission.log;
          if (admission.retryAt === undefined) continue;
          expect(admit(log, 'later', admission.retryAt, { limit, periodSeconds }).admitted).toBe(true);
          expect(admit(log, 'later', admission.retryAt - 1, { limit, periodSeconds }).admitted).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});
