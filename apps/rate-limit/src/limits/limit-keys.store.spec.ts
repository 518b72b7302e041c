import {
  CHANNELS,
  LIMIT_DIMENSIONS,
  limitCountersOfTarget,
  limitCountersOf,
  limitTargetOf,
  type LimitCounter,
} from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import fc from 'fast-check';
import { HashedLimitKeys } from './limit-keys.store.js';

const HASH = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));
const keys = new HashedLimitKeys(HASH);

/** Values that try to look like another kind, another channel or the border between two parts. */
const PARTS = [
  '',
  'bob',
  'id',
  'phone',
  'caller',
  'swaig',
  'rest',
  'any',
  ':',
  '"',
  ',',
  '\u0000',
  '3:bob',
  '+12025550147',
];
const value = fc.array(fc.constantFrom(...PARTS), { maxLength: 4 }).map((parts) => parts.join(''));
const kinds = ['caller', 'call', 'id', 'phone', 'enrolment', 'agent', 'tenant'] as const;
const named = fc.record({
  tenant: fc.constantFrom('acme', 'acme2', 'id'),
  counter: fc.record<LimitCounter>({
    dimension: fc.constantFrom(...LIMIT_DIMENSIONS),
    channel: fc.constantFrom('swaig', 'rest', 'any'),
    kind: fc.constantFrom(...kinds),
    value,
  }),
});
/** Caller and subjectsPerCaller share a row by design. */
const rowOf = ({ tenant, counter }: { tenant: string; counter: LimitCounter }): unknown[] => {
  const { dimension, channel, kind, value: its } = counter;
  return [tenant, dimension === 'subjectsPerCaller' ? 'caller' : dimension, channel, kind, its];
};

describe('the keys of counters', () => {
  it('are the same for the same tenant, channel, kind and value, and for nothing else', () => {
    fc.assert(
      fc.property(named, named, (one, other) => {
        const isSame = JSON.stringify(rowOf(one)) === JSON.stringify(rowOf(other));
        expect(keys.key(one.tenant, one.counter) === keys.key(other.tenant, other.counter)).toBe(isSame);
      }),
      { numRuns: 5_000 },
    );
  });

  it('of callers differ by kind of caller as well as by value', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('phone', 'text'),
        value,
        fc.constantFrom('phone', 'text'),
        value,
        (k1, v1, k2, v2) => {
          const isSame = k1 === k2 && v1 === v2;
          expect(HASH.callerKey('acme', k1, v1) === HASH.callerKey('acme', k2, v2)).toBe(isSame);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('of members differ by kind of reference as well as by value', () => {
    fc.assert(
      fc.property(fc.constantFrom('id', 'phone'), value, fc.constantFrom('id', 'phone'), value, (k1, v1, k2, v2) => {
        const isSame = k1 === k2 && v1 === v2;
        const [one, other] = [HASH.limitMember('acme', k1, v1), HASH.limitMember('acme', k2, v2)];
        expect(one === other).toBe(isSame);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the counters of a request', () => {
  const attempt = fc.record({
    tenant: fc.constant('acme'),
    agent: fc.constant('desk'),
    callId: value.filter((text) => text !== ''),
    callerKey: fc.stringMatching(/^[0-9a-f]{64}$/),
    subjectKind: fc.constantFrom('id', 'phone'),
    subjectRef: value.filter((text) => text !== ''),
  });

  it('over one channel share only agent and tenant with the counters of any request over the other channel', () => {
    const keysOver = (channel: 'swaig' | 'rest', request: object): Map<string, string> =>
      new Map(
        limitCountersOf({ ...(request as { tenant: string }), channel }).map((counter) => [
          keys.key('acme', counter),
          counter.dimension,
        ]),
      );
    fc.assert(
      fc.property(attempt, attempt, (one, other) => {
        const shared = [...keysOver('swaig', one)].filter(([key]) => keysOver('rest', other).has(key));
        expect(shared.map(([, dimension]) => dimension)).toEqual(['agent', 'tenant']);
      }),
      { numRuns: 1_000 },
    );
  });

  it('are all found by the targets that overrides and resets use', () => {
    fc.assert(
      fc.property(attempt, fc.constantFrom(...CHANNELS), (request, channel) => {
        for (const counter of limitCountersOf({ ...request, channel, subjectIsCaller: false })) {
          const found = limitCountersOfTarget(counter.dimension, 'acme', limitTargetOf(counter));
          expect(found).toContainEqual(counter);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('include no limit of subjects for a caller who verifies as the subject of the own number', () => {
    const own = { tenant: 'acme', agent: 'desk', channel: 'swaig', callerKey: 'c'.repeat(64) } as const;
    const about = { subjectKind: 'phone', subjectRef: 'r' } as const;
    const dimensions = (subjectIsCaller: boolean): string[] =>
      limitCountersOf({ ...own, ...about, subjectIsCaller }).map(({ dimension }) => dimension);
    expect(dimensions(true)).toEqual(['caller', 'subject', 'agent', 'tenant']);
    expect(dimensions(false)).toContain('subjectsPerCaller');
  });

  it('of a request without a caller include neither a caller nor its subjects', () => {
    const request = { tenant: 'acme', agent: 'desk', channel: 'rest', subjectKind: 'id', subjectRef: 'bob' } as const;
    expect(limitCountersOf(request).map(({ dimension }) => dimension)).toEqual(['subject', 'agent', 'tenant']);
  });

  it.each([
    ['function', ['call', 'agent', 'tenant']],
    ['call_state', ['agent', 'tenant']],
    ['introspection', ['agent', 'tenant']],
  ] as const)('of a request for %s, which has no submitted secret, are %j', (action, expected) => {
    const request = { tenant: 'acme', agent: 'desk', channel: 'swaig', callId: 'call-1', action } as const;
    expect(limitCountersOf(request).map(({ dimension }) => dimension)).toEqual(expected);
  });

  it('of an enrolment are separate from those of attempts', () => {
    const enrolment = limitCountersOf({ tenant: 'acme', channel: 'rest', action: 'enrolment', subject: 'bob' });
    const about = { subjectKind: 'id', subjectRef: 'bob' } as const;
    const ofAttempt = limitCountersOf({ tenant: 'acme', agent: 'desk', channel: 'rest', ...about });
    expect(enrolment.map(({ dimension }) => dimension)).toEqual(['subject', 'tenant']);
    const shared = ofAttempt.map((counter) => keys.key('acme', counter));
    for (const counter of enrolment) expect(shared).not.toContain(keys.key('acme', counter));
  });
});
