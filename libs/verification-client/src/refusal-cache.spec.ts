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
/** Only whether it is the same one is looked at. */
const policyWith = (policy: object): Policy => policy as Policy;
const POLICY = policyWith({});

let clock: ManualClock;
let counted: RefusalsCounted[];
let down: boolean;
let unheard: boolean;
let refusals: AdapterRefusalCache;
beforeEach(() => {
  clock = new ManualClock();
  counted = [];
  down = unheard = false;
  refusals = new AdapterRefusalCache(
    HASH,
    clock,
    (these) => {
      if (down) return Promise.reject(new Error('down'));
      counted.push(...these);
      return unheard ? Promise.reject(new Error('unheard')) : Promise.resolve();
    },
    () => undefined,
  );
});

const guessOf = (more: Partial<RefusableRequest> = {}): RefusableRequest => ({
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

/** What the limiter answered to a guess. */
function refuse(
  limitedBy: RefusingLimit,
  more: Partial<RefusableRequest> = {},
  quotas?: VerificationDecided['quotas'],
): void {
  const guess = guessOf(more);
  refusals.noteSent(guess);
  const answer = { commandId: guess.commandId, outcome: 'rate_limited', level: 'none', retryAfterSeconds: 1 } as const;
  const decided = message(VerificationDecided, { ...answer, limitedBy, ...(quotas && { quotas }) });
  refusals.learn(POLICY, guess, decided, clock.now());
}

const memberOf = (subject: string): string => HASH.limitMember('acme', 'id', subject);

describe('a limit that has refused', () => {
  it.each<[LimitDimension, Partial<RefusableRequest>, Partial<RefusableRequest>]>([
    ['caller', { subjectRef: 'bob', callId: 'call-2' }, { callerKey: 'd'.repeat(64) }],
    ['call', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { callId: 'call-2' }],
    ['subject', { callerKey: 'd'.repeat(64), callId: 'call-2' }, { subjectRef: 'bob' }],
    ['agent', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { agent: 'other' }],
    ['tenant', { subjectRef: 'bob', callerKey: 'd'.repeat(64) }, { tenant: 'other' }],
  ])('refuses on what is about the same %s, and nothing else', (dimension, same, other) => {
    refuse({ dimension, retryAfterMs: 3_000 });
    expect(refusals.find(POLICY, guessOf(same))).toMatchObject({ outcome: 'rate_limited', retryAfterSeconds: 3 });
    expect(refusals.find(POLICY, guessOf(other))).toBeUndefined();
  });

  it('never refuses longer than the limiter said, and tells what is left of it', () => {
    refuse({ dimension: 'caller', retryAfterMs: 2_500 });
    clock.advance(1_600);
    expect(refusals.find(POLICY, guessOf())?.retryAfterSeconds).toBe(1);
    clock.advance(899);
    expect(refusals.find(POLICY, guessOf())).toBeDefined();
    clock.advance(1);
    expect(refusals.find(POLICY, guessOf())).toBeUndefined();
    expect(refusals.size).toBe(0);
  });

  it('is asked again after five seconds, because it may have been reset', () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    clock.advance(4_999);
    expect(refusals.find(POLICY, guessOf())?.retryAfterSeconds).toBe(56);
    clock.advance(1);
    expect(refusals.find(POLICY, guessOf())).toBeUndefined();
  });

  it('is asked again when the policy is another', () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    expect(refusals.find(policyWith({}), guessOf())).toBeUndefined();
  });

  it('refuses no repetition of what was let through, and every one of what it has refused', () => {
    const passed = guessOf();
    refusals.noteSent(passed);
    const decided = { commandId: passed.commandId, outcome: 'rejected', level: 'none' } as const;
    refusals.learn(POLICY, passed, message(VerificationDecided, decided), clock.now());
    const refused = guessOf();
    refuse({ dimension: 'caller', retryAfterMs: 60_000 }, refused);
    expect(refusals.find(POLICY, passed)).toBeUndefined();
    expect(refusals.find(POLICY, refused)).toBeDefined();
  });

  it('refuses no repetition of what another front door has let through', () => {
    const [there, fresh] = [guessOf(), guessOf()];
    const passed = [HASH.limitCommand('acme', there.commandId)];
    for (const dimension of ['caller', 'call'] as const)
      refuse({ dimension, retryAfterMs: 60_000, admittedCommands: passed });
    expect(refusals.find(POLICY, there)).toBeUndefined();
    expect(refusals.find(POLICY, fresh)).toBeDefined();
  });

  it('of several tells the one that opens last', () => {
    refuse({ dimension: 'caller', retryAfterMs: 1_000 });
    refuse({ dimension: 'call', retryAfterMs: 4_000 });
    refuse({ dimension: 'subject', retryAfterMs: 2_000 });
    expect(refusals.find(POLICY, guessOf())?.retryAfterSeconds).toBe(4);
  });

  it('lets a caller go on with the subjects it has met, and refuses every new one', () => {
    refuse(
      { dimension: 'subjectsPerCaller', retryAfterMs: 9_000, admittedSubjects: ['alice', 'bob'].map(memberOf) },
      { subjectRef: 'eve' },
    );
    for (const subjectRef of ['alice', 'bob']) expect(refusals.find(POLICY, guessOf({ subjectRef }))).toBeUndefined();
    for (const subjectRef of ['eve', 'x', 'y']) expect(refusals.find(POLICY, guessOf({ subjectRef }))).toBeDefined();
  });

  it('of which nobody said whom the caller has met stays with the limiter', () => {
    refuse({ dimension: 'subjectsPerCaller', retryAfterMs: 9_000 });
    expect(refusals.find(POLICY, guessOf())).toBeUndefined();
  });

  it("tells the asker what is left of the asker's own quota", () => {
    const quota = { name: 'agent', limit: 600, periodSeconds: 60, remaining: 0, resetSeconds: 4 } as const;
    refuse({ dimension: 'agent', retryAfterMs: 4_000 }, {}, [quota]);
    clock.advance(2_500);
    expect(refusals.find(POLICY, guessOf())?.quotas).toEqual([{ ...quota, resetSeconds: 2 }]);
    refuse({ dimension: 'caller', retryAfterMs: 5_000 });
    expect(refusals.find(POLICY, guessOf())?.quotas).toBeUndefined();
  });
});

describe('what was refused here', () => {
  const total = (): number => counted.reduce((sum, { count }) => sum + count, 0);

  it('is handed to the limiter in full, told apart by caller and subject', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (let n = 0; n < 300; n++) refusals.find(POLICY, guessOf({ subjectRef: `s-${n % 3}` }));
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
    refusals.find(POLICY, guessOf({ ...names }));
    await refusals.flush();
    expect(counted).toMatchObject([names]);
  });

  it('is counted in full and told apart up to a bound, whatever is asked about', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (let n = 0; n < 5_000; n++) refusals.find(POLICY, guessOf({ subjectRef: `s-${n}` }));
    await refusals.flush();
    expect(counted.length).toBe(65);
    expect(total()).toBe(5_000);
  });

  it('stays counted when it cannot be handed over', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    down = true;
    refusals.find(POLICY, guessOf());
    await expect(refusals.flush()).rejects.toThrow('down');
    refusals.find(POLICY, guessOf());
    down = false;
    await refusals.flush();
    expect(counted.map(({ count }) => count)).toEqual([1, 1]);
  });

  it('is told again under the same ids when nobody said that it was heard', async () => {
    refuse({ dimension: 'caller', retryAfterMs: 60_000 });
    for (const subjectRef of ['alice', 'bob']) refusals.find(POLICY, guessOf({ subjectRef }));
    unheard = true;
    for (let n = 0; n < 3; n++) await expect(refusals.flush()).rejects.toThrow('unheard');
    refusals.find(POLICY, guessOf());
    unheard = false;
    await refusals.flush();
    const told = new Map(counted.map(({ countId, count }) => [countId, count]));
    expect(counted).toHaveLength(4 * 2 + 1);
    expect([...told.values()]).toEqual([1, 1, 1]);
  });
});

it('refuses nothing that no limit refused before, in any sequence', () => {
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
      const known: { caller: number; subject: number; dimension: LimitDimension; until: number; asked: number }[] = [];
      for (const { caller, subject, waitMs, refusedFor, dimension } of steps) {
        clock.advance(waitMs);
        const guess = guessOf({ callerKey: String(caller).padStart(64, '0'), subjectRef: `s-${subject}` });
        const holds = known.some(
          (one) =>
            one.until > clock.now() &&
            one.asked + 5_000 > clock.now() &&
            (one.dimension === 'subject' ? one.subject === subject : one.caller === caller) &&
            // The subject 0 is the one that everybody has met.
            (one.dimension !== 'subjectsPerCaller' || subject !== 0),
        );
        const found = memory.find(POLICY, guess);
        if (found && !holds) return false;
        if (found || refusedFor === undefined) continue;
        memory.noteSent(guess);
        const { commandId } = guess;
        const limitedBy = { dimension, retryAfterMs: refusedFor, admittedSubjects: [memberOf('s-0')] };
        const decided = message(VerificationDecided, { commandId, outcome: 'rate_limited', level: 'none', limitedBy });
        memory.learn(POLICY, guess, decided, clock.now());
        known.push({ caller, subject, dimension, until: clock.now() + refusedFor, asked: clock.now() });
      }
      return true;
    }),
    { numRuns: 500 },
  );
});
