import fc from 'fast-check';
import { changedFields, changePolicy } from './change-policy.decision.js';

/** The cases of RFC 7396, appendix A, that have an object for a target and a patch. */
const RFC_7396: [before: object, patch: object, after: object][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

describe('a change of a policy', () => {
  it.each(RFC_7396)('merges %j with the patch %j to %j', (before, patch, after) => {
    expect(changePolicy(before as Record<string, unknown>, patch as Record<string, unknown>, 'merge')).toEqual(after);
  });

  it('in the mode set replaces the fields that are sent, with null too, and keeps the others', () => {
    const before = { attempts: { perWindow: 5 }, knowledge: { waiver: { owner: 'Ada' } }, greetByName: true };
    const sent = { attempts: { lockSeconds: 60 }, knowledge: { waiver: null } };
    expect(changePolicy(before, sent, 'set')).toEqual({ ...sent, greetByName: true });
  });

  it('keeps the policy when none is sent and clears it when null is sent', () => {
    expect(changePolicy({ a: 1 }, undefined, 'merge')).toEqual({ a: 1 });
    expect(changePolicy({ a: 1 }, null, 'merge')).toEqual({});
  });

  it('does not pollute the prototype of objects', () => {
    const patch = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}') as object;
    changePolicy({}, patch as Record<string, unknown>, 'merge');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('reports exactly the fields that differ in value, regardless of the order of keys', () => {
    expect(changedFields({ a: { x: 1, y: 2 }, b: 1 }, { b: 1, a: { y: 2, x: 1 } })).toEqual([]);
    expect(changedFields({ a: [1, 2], b: 1 }, { a: [2, 1], c: null })).toEqual(['a', 'b', 'c']);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (policy) => {
        const reversed = Object.fromEntries(Object.entries(policy).reverse());
        expect(changedFields(policy, reversed)).toEqual([]);
        expect(changedFields(policy, {})).toEqual(Object.keys(policy).sort());
      }),
    );
  });
});
