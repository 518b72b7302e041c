import fc from 'fast-check';
import { DistinctMemberCounter } from './distinct-members.js';

const SPAN_MS = 1000;
const MAX_PAIRS = 200;
const THRESHOLD = 10;

let counter: DistinctMemberCounter;
beforeEach(() => {
  counter = new DistinctMemberCounter(SPAN_MS, MAX_PAIRS);
});

const add = (key: string, member: string, now = 0, tenant = 'acme'): number | undefined =>
  counter.add(tenant, key, member, THRESHOLD, now);
/** Adds so many members to a key. @returns how often the key was reported */
const attack = (key: string, members: number, now = 0, tenant = 'acme'): number =>
  Array.from({ length: members }, (_, n) => add(key, `m-${n}`, now, tenant)).filter((count) => count !== undefined)
    .length;
const flood = (keys: number, members: number, now = 0, tenant = 'acme'): void => {
  for (let key = 0; key < keys; key++) for (let n = 0; n < members; n++) add(`flood-${key}`, `m-${n}`, now, tenant);
};

describe('the counter of distinct members', () => {
  it('reports a key once per span, when it reaches the threshold', () => {
    for (let n = 0; n < 9; n++) expect([add('key', `m-${n}`), add('key', `m-${n}`)]).toEqual([undefined, undefined]);
    expect(add('key', 'another')).toBe(THRESHOLD);
    expect(attack('key', 50)).toBe(0);
    expect(attack('key', 50, SPAN_MS)).toBe(1);
  });

  it('counts the members of the current and of the previous span', () => {
    attack('key', 9);
    expect(add('key', 'late', SPAN_MS)).toBe(THRESHOLD);
    attack('slow', 9, SPAN_MS);
    add('other', 'x', 2 * SPAN_MS);
    expect(add('slow', 'late', 3 * SPAN_MS)).toBeUndefined();
  });

  it.each([1, 2, 9])('reports an attack although honest keys with %d members each filled the memory', (members) => {
    flood(10 * MAX_PAIRS, members);
    expect(attack('key', THRESHOLD)).toBe(1);
  });

  it('reports an attack that is mixed with new keys of one member, while those are fewer than the memory holds', () => {
    flood(10 * MAX_PAIRS, 3);
    let reports = 0;
    for (let n = 0; n < THRESHOLD; n++) {
      if (add('key', `m-${n}`) !== undefined) reports++;
      for (let key = 0; key < MAX_PAIRS / 8; key++) add(`single-${n}-${key}`, 'm');
    }
    expect(reports).toBe(1);
  });

  it('evicts nothing of a tenant because of the flood of another tenant', () => {
    for (let n = 0; n < 9; n++) add('key', `m-${n}`, 0, 'quiet');
    flood(10 * MAX_PAIRS, 3, 0, 'loud');
    expect(add('key', 'last', 0, 'quiet')).toBe(THRESHOLD);
  });

  it('reports a key again after a lost report, at its next member, new or not', () => {
    attack('key', THRESHOLD);
    expect(add('key', 'm-0')).toBeUndefined();
    counter.reportAgain('acme', 'key');
    expect(add('key', 'm-0')).toBe(THRESHOLD);
    expect(add('key', 'another')).toBeUndefined();
  });

  it('counts from zero after it was cleared', () => {
    attack('key', 9);
    counter.clear();
    expect(add('key', 'last')).toBeUndefined();
  });

  it('reports what a set without a bound would report, as long as memory suffices', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 15 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const bounded = new DistinctMemberCounter(SPAN_MS, MAX_PAIRS);
        const model = new Map<number, Set<number>>();
        return steps.every(([key, member]) => {
          const members = model.get(key) ?? new Set();
          const isReported = members.size === THRESHOLD - 1 && !members.has(member);
          model.set(key, members.add(member));
          return (bounded.add('acme', String(key), String(member), THRESHOLD, 0) !== undefined) === isReported;
        });
      }),
    );
  });
});
