import { readFileSync } from 'node:fs';
import {
  brokenFields,
  changesOf,
  levelsAt,
  nameOf,
  patchOf,
  policyFields,
} from '../../apps/console/src/pages/tenants/policy-fields.js';

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as unknown;

describe('the editor of a policy', () => {
  it('has every field of the described policy, with its meaning', () => {
    const fields = policyFields(document);
    const names = fields.map(({ path }) => nameOf(path));
    expect(names).toEqual(
      expect.arrayContaining(['verifiedSeconds', 'limits.caller.limit', 'attempts.windowSeconds', 'transfers']),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(fields.find(({ path }) => nameOf(path) === 'verifiedSeconds')?.description).toContain('In seconds');
  });

  it('changes only the fields of the draft that differ, and inherits what is cleared', () => {
    const draft = new Map([
      ['limits.caller.limit', '5'],
      ['limits.caller.periodSeconds', '60'],
      ['functions', null],
      ['transfers', '{"support":"sip:support@example.com"}'],
    ]);
    const policy = { limits: { caller: { limit: 10, periodSeconds: 60 } }, functions: ['verify_pin'] };
    const changes = changesOf(draft, policy);
    expect(changes).toEqual([
      { path: 'limits.caller.limit', before: 10, after: 5 },
      { path: 'functions', before: ['verify_pin'], after: undefined },
      { path: 'transfers', before: undefined, after: { support: 'sip:support@example.com' } },
    ]);
    expect(patchOf(changes)).toEqual({
      ...{ limits: { caller: { limit: 5 } }, functions: null, transfers: { support: 'sip:support@example.com' } },
    });
  });

  it('sends null for an entry that was taken out of a map, which a merge would keep otherwise', () => {
    const before = { sales: 'sip:sales@example.com', support: 'sip:old@example.com', night: 'sip:night@example.com' };
    const after = { night: 'sip:night@example.com', support: 'sip:support@example.com' };
    const changes = changesOf(new Map([['transfers', JSON.stringify(after)]]), { transfers: before });
    expect(patchOf(changes)).toEqual({ transfers: { sales: null, support: 'sip:support@example.com' } });
  });

  it('names the fields of a draft that are no JSON, and the levels of a value', () => {
    expect(brokenFields(new Map([...[['a', '{']], ['b', 'null'], ['c', '']] as [string, string][]))).toEqual([
      'a',
      'c',
    ]);
    const sources = { transfers: { support: 'tenant', sales: 'agent' }, language: 'instance' };
    expect([['transfers'], ['language'], ['limits', 'caller']].map((path) => levelsAt(sources, path))).toEqual([
      ...[['tenant', 'agent'], ['instance'], []],
    ]);
  });
});
