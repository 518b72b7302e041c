import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import {
  message,
  VerificationDecided,
  type LimitDimension,
  type Policy,
  type RefusalsCounted,
  type RefusingLimit,
} from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ManualClock } from '@countersign/testing';
import { AdapterRefusalCache, type RefusableRequest } from './refusal-cache.js';

const HASH = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));
/** The cache only compares identities of policies. */
const policyWith = (policy: object): Policy => policy as Policy;
const POLICY = policyWith({});

let clock: ManualClock;
let counted: RefusalsCounted[];
let down: boolean;
let losesAnswers: boolean;
let refusals: AdapterRefusalCache;
beforeEach(() => {
  clock = new ManualClock();
  counted = [];
  down = losesAnswers = false;
  refusals = new AdapterRefusalCache(
    HASH,
    clock,
    (these) => {
      if (down) return Promise.reject(new Error('down'));
      counted.push(...these);
      return losesAnswers ? Promise.reject(new Error('no answer')) : Promise.resolve();
    },
    () => undefined,
  );
});

const attemptOf = (more: Partial<RefusableRequest> = {}): RefusableRequest => ({
  commandId: randomUUID(),
  tenant: 'acme',
  agent: 'desk',
  channel: 'swaig',
  method: 'pin',
  subjectKind: 'id',
  subjectRef: 'alice',
  callId: 'call-1',
  callerKey: 'c'.repeat(64),
  subjectIsCaller: false,
  callerTail: '23',
  ...more,
});

/** Lets the limiter refuse an attempt. */
function refuse(
  limitedBy: RefusingLimit,
  more: Partial<RefusableRequest> = {},
  quotas?: VerificationDecided['quotas'],
): void {
  const attempt = attemptOf(more);
  refusals.noteSent(attempt);
  const answer = {
    commandId: attempt.commandId,
    outcome: 'rate_limited',
    level: 'none',
    retryAfterSeconds: 1,
  } as const;
  const decided = message(VerificationDecided, { ...answer, limitedBy, ...(quotas && { quotas }) });
  refusals.learn(POLICY, attempt, decided, clock.now());
}

const memberOf = (subject: string): string => HASH.limitMember('acme', 'id', subject);

describe('a cached refusal', () => {
  it.each<[LimitDimension, Partial<RefusableRequest>, Partial<RefusableRequest>]>([
    ['caller', { subjectRef: 'bob', callId: 'call-2' }, { callerKey: 'd'.repeat(64) }],
    ['call', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { callId: 'call-2' }],
    ['subject', { callerKey: 'd'.repeat(64), callId: 'call-2' }, { subjectRef: 'bob' }],
    ['agent', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { agent: 'other' }],
    ['tenant', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { tenant: 'other' }],
  ])('covers requests of the same %s, and no others', (dimension, same, other) => {
    refuse({ dimension, retryAfterMs: 3_000 });
    const refused = { outcome: 'rate_limited', retryAfterSeconds: 3, limitedBy: { dimension, retryAfterMs: 3_000 } };
    expect(refusals.find(POLICY, attemptOf(same))).toMatchObject(refused);
    expect(refusals.find(POLICY, attemptOf(other))).toBeUndefined();
  });

  it('is never used longer than the limiter allowed, and reports the remaining wait', () => {
    refuse({ dimension: 'caller', retryAfterMs: 2_500 });
    clock.advance(1_600);
    expect(refusals.find(POLICY, attemptOf())?.retryAfterSeconds).toBe(1);
    clock.advance(899);
    expect(refusals.find(POLICY, attemptOf())).toBeDefined();
    clock.advance(1);
    expect(refusals.find(POLICY, attemptOf())).toBeUndefined();
    expect(refusals.size).toBe(0);
  });

  it('is not used after five seconds, because the limit may have been reset', () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    clock.advance(4_999);
    expect(refusals.find(POLICY, attemptOf())?.retryAfterSeconds).toBe(56);
    clock.advance(1);
    expect(refusals.find(POLICY, attemptOf())).toBeUndefined();
  });

  it('is not used after a change of the policy', () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    expect(refusals.find(policyWith({}), attemptOf())).toBeUndefined();
  });

  it('covers no repetition of an admitted attempt, and every repetition of a refused one', () => {
    const admitted = attemptOf();
    refusals.noteSent(admitted);
    const decided = { commandId: admitted.commandId, outcome: 'rejected', level: 'none' } as const;
    refusals.learn(POLICY, admitted, message(VerificationDecided, decided), clock.now());
    const refused = attemptOf();
    refuse({ dimension: 'caller', retryAfterMs: 60_000 }, refused);
    expect(refusals.find(POLICY, admitted)).toBeUndefined();
    expect(refusals.find(POLICY, refused)).toBeDefined();
  });

  it('covers no repetition of an attempt that another adapter sent', () => {
    const [there, fresh] = [attemptOf(), attemptOf()];
    const admittedCommands = [HASH.limitCommand('acme', there.commandId)];
    for (const dimension of ['caller', 'call'] as const) refuse({ dimension, retryAfterMs: 60_000, admittedCommands });
    expect(refusals.find(POLICY, there)).toBeUndefined();
    expect(refusals.find(POLICY, fresh)).toBeDefined();
  });

  it('with the longest wait is reported if several cover a request', () => {
    refuse({ dimension: 'caller', retryAfterMs: 1_000 });
    refuse({ dimension: 'call', retryAfterMs: 4_000 });
    refuse({ dimension: 'subject', retryAfterMs: 2_000 });
    expect(refusals.find(POLICY, attemptOf())?.retryAfterSeconds).toBe(4);
  });

  it('of subjectsPerCaller does not cover the subjects that the limiter listed, and covers every other subject', () => {
    refuse(
      { dimension: 'subjectsPerCaller', retryAfterMs: 9_000, admittedSubjects: ['alice', 'bob'].map(memberOf) },
      { subjectRef: 'eve' },
    );
    for (const subjectRef of ['alice', 'bob']) expect(refusals.find(POLICY, attemptOf({ subjectRef }))).toBeUndefined();
    for (const subjectRef of ['eve', 'x', 'y']) expect(refusals.find(POLICY, attemptOf({ subjectRef }))).toBeDefined();
  });

  it('of subjectsPerCaller without the list of admitted subjects is not used', () => {
    refuse({ dimension: 'subjectsPerCaller', retryAfterMs: 9_000 });
    expect(refusals.find(POLICY, attemptOf())).toBeUndefined();
  });

  it('reports the quota of the agent, and no quota for another limit', () => {
    const quota = { name: 'agent', limit: 600, periodSeconds: 60, remaining: 0, resetSeconds: 4 } as const;
    refuse({ dimension: 'agent', retryAfterMs: 4_000 }, {}, [quota]);
    clock.advance(2_500);
    expect(refusals.find(POLICY, attemptOf())?.quotas).toEqual([{ ...quota, resetSeconds: 2 }]);
    refuse({ dimension: 'caller', retryAfterMs: 5_000 });
    expect(refusals.find(POLICY, attemptOf())?.quotas).toBeUndefined();
  });
});

describe('the count of refusals from the cache', () => {
  const total = (): number => counted.reduce((sum, { count }) => sum + count, 0);

  it('is published in full, separately by caller and subject', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (let n = 0; n < 300; n++) refusals.find(POLICY, attemptOf({ subjectRef: `s-${n % 3}` }));
    await refusals.flush();
    expect(counted.map(({ subjectRef, count, dimension }) => [subjectRef, count, dimension])).toEqual([
      ['s-0', 100, 'caller'],
      ['s-1', 100, 'caller'],
      ['s-2', 100, 'caller'],
    ]);
    expect(counted[0]?.partitionKey).toBe('acme:id:s-0');
    await refusals.flush();
    expect(total()).toBe(300);
  });

  it('is published with its names under every key, so that a limiter with another first key counts it', async () => {
    const names = { keyId: 'k1', alsoNamed: [{ keyId: 'k2', commandId: 'k2-command', subjectRef: 'alice' }] };
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    refusals.find(POLICY, attemptOf({ ...names }));
    await refusals.flush();
    expect(counted).toMatchObject([names]);
  });

  it('is published in full, and separately for at most 64 pairs of caller and subject', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (let n = 0; n < 5_000; n++) refusals.find(POLICY, attemptOf({ subjectRef: `s-${n}` }));
    await refusals.flush();
    expect(counted.length).toBe(65);
    expect(total()).toBe(5_000);
  });

  it('is kept when it cannot be published', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    down = true;
    refusals.find(POLICY, attemptOf());
    await expect(refusals.flush()).rejects.toThrow('down');
    refusals.find(POLICY, attemptOf());
    down = false;
    await refusals.flush();
    expect(counted.map(({ count }) => count)).toEqual([1, 1]);
  });

  it('is published again under the same ids without an acknowledgement', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (const subjectRef of ['alice', 'bob']) refusals.find(POLICY, attemptOf({ subjectRef }));
    losesAnswers = true;
    for (let n = 0; n < 3; n++) await expect(refusals.flush()).rejects.toThrow('no answer');
    refusals.find(POLICY, attemptOf());
    losesAnswers = false;
    await refusals.flush();
    const byId = new Map(counted.map(({ countId, count }) => [countId, count]));
    expect(counted).toHaveLength(4 * 2 + 1);
    expect([...byId.values()]).toEqual([1, 1, 1]);
  });
});

it('refuses no request that no limit refused before, in any sequence', () => {
  const step = fc.record({
    caller: fc.integer({ min: 0, max: 3 }),
    subject: fc.integer({ min: 0, max: 3 }),
    waitMs: fc.integer({ min: 0, max: 4_000 }),
    refusedFor: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
    dimension: fc.constantFrom<LimitDimension[]>('caller', 'subject', 'subjectsPerCaller'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new AdapterRefusalCache(
        HASH,
        clock,
        () => Promise.resolve(),
        () => undefined,
      );
      const known: {
        caller: number;
        subject: number;
        dimension: LimitDimension;
        until: number;
        requestedAt: number;
      }[] = [];
      for (const { caller, subject, waitMs, refusedFor, dimension } of steps) {
        clock.advance(waitMs);
        const attempt = attemptOf({ callerKey: String(caller).padStart(64, '0'), subjectRef: `s-${subject}` });
        const holds = known.some(
          (one) =>
            one.until > clock.now() &&
            one.requestedAt + 5_000 > clock.now() &&
            (one.dimension === 'subject' ? one.subject === subject : one.caller === caller) &&
            // Every caller is still admitted with the subject 0.
            (one.dimension !== 'subjectsPerCaller' || subject !== 0),
        );
        const found = memory.find(POLICY, attempt);
        if (found && !holds) return false;
        if (found || refusedFor === undefined) continue;
        memory.noteSent(attempt);
        const { commandId } = attempt;
        const limitedBy = { dimension, retryAfterMs: refusedFor, admittedSubjects: [memberOf('s-0')] };
        const decided = message(VerificationDecided, { commandId, outcome: 'rate_limited', level: 'none', limitedBy });
        memory.learn(POLICY, attempt, decided, clock.now());
        known.push({ caller, subject, dimension, until: clock.now() + refusedFor, requestedAt: clock.now() });
      }
      return true;
    }),
    { numRuns: 500 },
  );
});
