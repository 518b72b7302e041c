import fc from 'fast-check';
import { arePreconditionsMet, ENTITY_TAG_PATTERN, entityTagOf } from './preconditions.js';

const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]): [string, unknown] => [key, reversed(inner)])
      .reverse(),
  );
};
const resources = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>;

describe('an entity tag', () => {
  it('is the same for the same values in any order of the fields, at every depth', () => {
    fc.assert(
      fc.property(resources, (resource) => {
        const tag = entityTagOf(resource);
        expect(tag).toMatch(ENTITY_TAG_PATTERN);
        expect(entityTagOf(reversed(resource) as Record<string, unknown>)).toBe(tag);
      }),
    );
  });

  it('differs when any value, the order of a list or the nesting differs', () => {
    const tags = [{}, { a: 1 }, { a: '1' }, { a: [1, 2] }, { a: [2, 1] }, { a: { b: 1 } }, { 'a.b': 1 }, { a: null }];
    expect(new Set(tags.map(entityTagOf)).size).toBe(tags.length);
  });
});

describe('the preconditions of a change', () => {
  const resource = { tenant: 'acme', name: 'Acme' };
  const tag = entityTagOf(resource);
  const other = entityTagOf({ ...resource, name: 'Other' });

  it.each([
    [{}, true, true],
    [{ ifMatch: [tag] }, true, false],
    [{ ifMatch: [other, tag] }, true, false],
    [{ ifMatch: [other] }, false, false],
    [{ ifMatch: [] }, false, false],
    [{ ifMatch: ['*'] }, true, false],
    [{ ifNoneMatch: ['*'] }, false, true],
    [{ ifNoneMatch: [tag] }, false, true],
    [{ ifNoneMatch: [other] }, true, true],
    [{ ifMatch: [tag], ifNoneMatch: [tag] }, false, false],
  ])('%j are met: %s for the resource, %s when there is none', (preconditions, forResource, forNone) => {
    expect([arePreconditionsMet(preconditions, resource), arePreconditionsMet(preconditions, undefined)]).toEqual([
      forResource,
      forNone,
    ]);
  });
});
