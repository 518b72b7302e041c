import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { KnowledgeWaiver } from './management/policy.js';
import { isUtcTime } from './utc-time.js';

describe('isUtcTime', () => {
  it('accepts every time that a process writes, from 1970 to 9999', () => {
    const times = fc.date({
      min: new Date('1970-01-01T00:00:00.000Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(fc.property(times, (time) => isUtcTime(time.toISOString())));
  });

  it.each(['2026-11-22T10:00:00Z', '2028-02-29T10:00:00.5Z', '2026-11-22T10:00:00.123456789Z'])(
    'accepts %s',
    (time) => {
      expect(isUtcTime(time)).toBe(true);
    },
  );

  it.each([
    ['a day of a week', '2026-W47-7'],
    ['a day of a year', '2026-326'],
    ['the basic format', '20261122T100000Z'],
    ['24:00', '2026-11-22T24:00Z'],
    ['an hour without minutes', '2026-11-22T10Z'],
    ['a decimal comma', '2026-11-22T10:00:00,5Z'],
    ['an offset of whole hours', '2026-11-22T10:00:00+01'],
    ['another time zone', '2026-11-22T10:00:00+01:00'],
    ['no time zone, which each process reads in its own', '2026-11-22T10:00:00'],
    ['a day', '2026-11-22'],
    ['a month', '2026-11'],
    ['a space instead of T', '2026-11-22 10:00:00Z'],
    ['a day that no month has', '2026-02-30T10:00:00Z'],
    ['a leap second', '2026-12-31T23:59:60Z'],
    ['a year before 1970', '0000-01-01T00:00:00.000Z'],
    ['a year of six digits', '+020260-01-01T00:00:00.000Z'],
    ['a number', 1_800_000_000_000],
    ['nothing', undefined],
  ])('rejects %s: %s', (_what, value) => {
    expect(isUtcTime(value)).toBe(false);
  });
});

describe('the end of a waiver', () => {
  it('is a time that Date.parse reads, whenever its rules accept it', () => {
    const two = fc.integer({ min: 0, max: 61 }).map((number) => String(number).padStart(2, '0'));
    const day = fc.tuple(fc.constantFrom('0000', '2026', '2028', '9999'), two, two).map((parts) => parts.join('-'));
    const clock = fc
      .tuple(two, two, fc.constantFrom('', ':00', ':59', ':60', ':00.123'))
      .map(([h, m, s]) => `${h}:${m}${s}`);
    const end = fc.tuple(day, fc.option(fc.oneof(clock, fc.constantFrom('24:00', '24:00:00')), { nil: undefined }));
    fc.assert(
      fc.property(end, ([date, time]) => {
        const expires = time === undefined ? date : `${date}T${time}Z`;
        const waiver = Object.assign(new KnowledgeWaiver(), { owner: 'o', reason: 'r', expires });
        return validateSync(waiver).length > 0 || !Number.isNaN(Date.parse(expires));
      }),
      { numRuns: 500 },
    );
  });
});
