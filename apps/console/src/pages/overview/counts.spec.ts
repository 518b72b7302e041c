import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addUp, beginOfDays, daysOf, hoursUntil, successShare, type CountsItem } from './counts.js';

const NOW = Date.parse('2026-11-28T10:20:00Z');
const item = (time: string, more: Partial<CountsItem>): CountsItem => ({
  ...{ time, attempts: {}, refusals: {}, signals: {}, locked: 0, disabled: 0 },
  ...more,
});

it('shows every hour up to now, also those without an event, and leaves out older ones', () => {
  const hours = hoursUntil(NOW, 3, [
    item('2026-11-28T07:00:00.000Z', { locked: 5 }),
    item('2026-11-28T08:00:00.000Z', {
      attempts: { verified: 3, rejected: 2, locked: 1, unavailable: 1 },
      disabled: 1,
    }),
    item('2026-11-28T10:00:00Z', {
      refusals: { caller: 2, tenant: 3 },
      signals: { spray: 1, distributed: 1 },
      locked: 1,
    }),
  ]);
  expect(hours).toEqual([
    { time: '2026-11-28T08:00:00.000Z', verified: 3, rejected: 2, refused: 2, limited: 0, locked: 1, signals: 0 },
    { time: '2026-11-28T09:00:00.000Z', verified: 0, rejected: 0, refused: 0, limited: 0, locked: 0, signals: 0 },
    { time: '2026-11-28T10:00:00.000Z', verified: 0, rejected: 0, refused: 0, limited: 5, locked: 1, signals: 2 },
  ]);
  expect(addUp(hours)).toEqual({ verified: 3, rejected: 2, refused: 2, limited: 5, locked: 2, signals: 2 });
});

it('compares 24 full hours with the 24 before them, and counts the current hour in neither', () => {
  const begin = Date.parse(beginOfDays(NOW));
  const items = Array.from({ length: 49 }, (_, hour) =>
    item(new Date(begin + hour * 3_600_000).toISOString(), { attempts: { verified: 1 }, locked: hour }),
  );
  const { current, last, before } = daysOf(NOW, items);
  expect([before.length, last.length]).toEqual([24, 24]);
  expect([before[0]?.time, last[0]?.time, current.time]).toEqual([
    '2026-11-26T10:00:00.000Z',
    '2026-11-27T10:00:00.000Z',
    '2026-11-28T10:00:00.000Z',
  ]);
  expect([addUp(before).verified, addUp(last).verified, current.verified, current.locked]).toEqual([24, 24, 1, 48]);
});

it('counts every attempt once, whatever its outcome, and has a share of successes between 0 and 1', () => {
  const count = fc.nat({ max: 1_000 });
  const attempts = fc.record({ verified: count, rejected: count, locked: count, rate_limited: count, disabled: count });
  fc.assert(
    fc.property(attempts, (given) => {
      const totals = addUp(hoursUntil(NOW, 1, [item('2026-11-28T10:00:00Z', { attempts: given })]));
      const all = Object.values(given).reduce((sum, value) => sum + value, 0);
      expect(totals.verified + totals.rejected + totals.refused).toBe(all);
      expect(successShare(totals)).toBe(all === 0 ? undefined : given.verified / all);
    }),
  );
});
