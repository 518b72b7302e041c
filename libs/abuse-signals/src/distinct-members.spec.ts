import fc from 'fast-check';
import { DistinctMemberCounter } from './distinct-members.js';

const SPAN_MS = 1000;
const MOST_PAIRS = 200;
const MOST = 10;

let counts: DistinctMemberCounter;
beforeEach(() => {
  counts = new DistinctMemberCounter(SPAN_MS, MOST_PAIRS);
});

const add = (key: string, member: string, now = 0, tenant = 'acme'): number | undefined =>
  counts.add(tenant, key, member, MOST, now);
/** A key with one member after the other. @returns how often it was told */
const attack = (key: string, members: number, now = 0, tenant = 'acme'): number =>
  Array.from({ length: members }, (_, n) => add(key, `m-${n}`, now, tenant)).filter((told) => told !== undefined)
    .length;
const flood = (keys: number, each: number, now = 0, tenant = 'acme'): void => {
  for (let key = 0; key < keys; key++) for (let n = 0; n < each; n++) add(`flood-${key}`, `m-${n}`, now, tenant);
};

describe('distinct members of keys', () => {
  it('are told once for each span when a key has come to so many', () => {
    for (let n = 0; n < 9; n++) expect([add('key', `m-${n}`), add('key', `m-${n}`)]).toEqual([undefined, undefined]);
    expect(add('key', 'another')).toBe(MOST);
    expect(attack('key', 50)).toBe(0);
    expect(attack('key', 50, SPAN_MS)).toBe(1);
  });

  it('are known for one to two spans', () => {
    attack('key', 9);
    expect(add('key', 'late', SPAN_MS)).toBe(MOST);
    attack('slow', 9, SPAN_MS);
    add('other', 'x', 2 * SPAN_MS);
    expect(add('slow', 'late', 3 * SPAN_MS)).toBeUndefined();
  });

  it.each([1, 2, 9])('are told although honest keys, each with %d of them, have filled the memory', (each) => {
    flood(10 * MOST_PAIRS, each);
    expect(attack('key', MOST)).toBe(1);
  });

  it('are told of an attack among others that are as new, as long as those are fewer than there is room for', () => {
    flood(10 * MOST_PAIRS, 3);
    let told = 0;
    for (let n = 0; n < MOST; n++) {
      if (add('key', `m-${n}`) !== undefined) told++;
      for (let key = 0; key < MOST_PAIRS / 8; key++) add(`single-${n}-${key}`, 'm');
    }
    expect(told).toBe(1);
  });

  it('of one tenant are displaced by no other', () => {
    for (let n = 0; n < 9; n++) add('key', `m-${n}`, 0, 'quiet');
    flood(10 * MOST_PAIRS, 3, 0, 'loud');
    expect(add('key', 'last', 0, 'quiet')).toBe(MOST);
  });

  it('are reported again after a lost report, at the next member, known or new', () => {
    attack('key', MOST);
    expect(add('key', 'm-0')).toBeUndefined();
    counts.reportAgain('acme', 'key');
    expect(add('key', 'm-0')).toBe(MOST);
    expect(add('key', 'another')).toBeUndefined();
  });

  it('are forgotten on demand', () => {
    attack('key', 9);
    counts.clear();
    expect(add('key', 'last')).toBeUndefined();
  });

  it('are what a list without a bound would count, as long as they have room', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 15 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const memory = new DistinctMemberCounter(SPAN_MS, MOST_PAIRS);
        const model = new Map<number, Set<number>>();
        return steps.every(([key, member]) => {
          const seen = model.get(key) ?? new Set();
          const isTold = seen.size === MOST - 1 && !seen.has(member);
          model.set(key, seen.add(member));
          return (memory.add('acme', String(key), String(member), MOST, 0) !== undefined) === isTold;
        });
      }),
    );
  });
});
