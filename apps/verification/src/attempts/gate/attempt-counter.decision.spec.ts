import fc from 'fast-check';
import {
  applyOutcome,
  capOf,
  lockSeconds,
  NEW_COUNTER,
  resetForNewCredential,
  countAttempt,
  unlock,
  type AttemptCounter,
  type AttemptInput,
  type CountDecision,
} from './attempt-counter.decision.js';

const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
const MINUTE = 60_000;
const DAY = 24 * 60;
/** A cap that these attempts do not reach. */
const CAP = 100;
const OWNER = { caller: 'owner', cap: CAP };
const OTHER = { caller: 'other', cap: CAP };
const ANONYMOUS = { caller: undefined, cap: CAP };

/** A counter that counts its attempts at the given minutes; all of them fail but for those of {@link Counted.succeed}. */
class Counted {
  constructor(public counter: AttemptCounter = NEW_COUNTER) {}

  /** With a caller who has succeeded. */
  static owned(): Counted {
    const counted = new Counted();
    counted.succeed(OWNER, -1000 * DAY);
    return counted;
  }

  fail(by: AttemptInput, minute: number, policy = POLICY): CountDecision {
    const decision = countAttempt(this.counter, by, minute * MINUTE, policy);
    this.counter = decision.counter;
    return decision;
  }

  succeed(by: AttemptInput, minute: number): void {
    const decision = this.fail(by, minute);
    if (!decision.granted) throw new Error('not compared');
    this.counter = applyOutcome(this.counter, decision, by.caller, true);
  }

  /** Whether each attempt was compared, one for each minute. */
  granted(by: AttemptInput, minutes: readonly number[], policy = POLICY): boolean[] {
    return minutes.map((minute) => this.fail(by, minute, policy).granted);
  }
}

describe('the attempt window', () => {
  it('grants three attempts and locks with the third', () => {
    const counted = new Counted();
    expect(counted.granted(ANONYMOUS, [0, 0, 0, 0, 14])).toEqual([true, true, true, false, false]);
    expect(counted.counter.unrecognized.lockedUntil).toBe(15 * MINUTE);
    expect(counted.counter.attempts).toBe(5);
  });

  it('neither counts nor extends during a lock, and doubles the next one', () => {
    const counted = new Counted();
    counted.granted(ANONYMOUS, [0, 0, 0, 5, 10, 14, 15, 15, 15]);
    expect(counted.counter.unrecognized.lockedUntil).toBe((15 + 30) * MINUTE);
  });

  it('stops doubling at the longest lock', () => {
    expect([0, 1, 6, 7, 1000].map((level) => lockSeconds(level, POLICY))).toEqual([900, 1800, 57_600, 86_400, 86_400]);
  });

  it('drops attempts that are older than the window', () => {
    const counted = new Counted();
    expect(counted.granted(ANONYMOUS, [0, 1, 16, 17])).toEqual([true, true, true, true]);
    expect(counted.counter.unrecognized.lockedUntil).toBeUndefined();
  });

  it('is empty after a lock that is shorter than the window', () => {
    const short = { ...POLICY, lockSeconds: 60 };
    expect(new Counted().granted(ANONYMOUS, [0, 0, 0, 0, 1, 1, 1, 1], short)).toEqual([
      ...[true, true, true, false],
      ...[true, true, true, false],
    ]);
  });

  it('is empty after a success', () => {
    const counted = new Counted();
    counted.granted(ANONYMOUS, [0, 0]);
    counted.succeed(ANONYMOUS, 0);
    expect(counted.counter).toEqual({ ...NEW_COUNTER, attempts: 3 });
  });

  it('grants nothing if a tightened policy leaves no attempts', () => {
    const counted = new Counted();
    counted.granted(ANONYMOUS, [0, 0], { ...POLICY, perWindow: 5 });
    const decision = counted.fail(ANONYMOUS, 1, { ...POLICY, perWindow: 2 });
    expect(decision).toMatchObject({ granted: false, chargedLock: true, remaining: 0 });
  });
});

describe('the attempt window of recognized and unrecognized callers together', () => {
  it('grants two attempts to unrecognized callers and one to the recognized caller, of the six of the attack', () => {
    const counted = Counted.owned();
    expect(counted.granted(OTHER, [0, 0, 0])).toEqual([true, true, false]);
    expect(counted.granted(OWNER, [0, 0, 0])).toEqual([true, false, false]);
  });

  it('grants nothing to unrecognized callers after a recognized caller has used all attempts but one', () => {
    const counted = Counted.owned();
    expect(counted.granted(OWNER, [0, 0])).toEqual([true, true]);
    expect(counted.fail(OTHER, 1)).toMatchObject({ granted: false, remaining: 0 });
    expect(counted.fail(OWNER, 1)).toMatchObject({ granted: true, remaining: 0 });
  });

  it('locks only unrecognized callers at the reserved attempt, and all callers if that attempt fails', () => {
    const counted = Counted.owned();
    counted.granted(OTHER, [0, 0]);
    expect(counted.fail(OTHER, 0)).toMatchObject({ granted: false, chargedLock: true, remaining: 0 });
    expect(counted.counter).toMatchObject({
      unrecognized: { lockedUntil: 15 * MINUTE },
      recognized: { lockedUntil: undefined },
    });
    expect(counted.fail(OWNER, 1)).toMatchObject({ granted: true, chargedLock: true, remaining: 0 });
    expect(counted.counter.recognized.lockedUntil).toBe(16 * MINUTE);
    expect(counted.granted(OTHER, [15.5, 16])).toEqual([false, true]);
  });

  it('frees the reserved attempt with a success, which leaves unrecognized callers locked', () => {
    const counted = Counted.owned();
    counted.granted(OTHER, [0, 0, 0]);
    counted.succeed(OWNER, 1);
    expect(counted.counter.recognized).toEqual({ attempts: [], lockLevel: 0, lockedUntil: undefined });
    expect(counted.counter.unrecognized.lockedUntil).toBe(15 * MINUTE);
    expect(counted.granted(OTHER, [2])).toEqual([false]);
    expect(counted.granted(OWNER, [2, 2])).toEqual([true, false]);
  });

  it('keeps the attempts of unrecognized callers after a success of a recognized one', () => {
    const counted = Counted.owned();
    expect(counted.granted(OTHER, [0, 0])).toEqual([true, true]);
    counted.succeed(OWNER, 1);
    expect(counted.granted(OTHER, [2])).toEqual([false]);
  });

  it('belongs to recognized callers alone while it is one attempt', () => {
    const one = { ...POLICY, perWindow: 1 };
    const counted = Counted.owned();
    expect(counted.fail(OTHER, 0, one)).toMatchObject({ granted: false, remaining: 0, chargedLock: true });
    expect(counted.fail(OWNER, 0, one)).toMatchObject({ granted: true, remaining: 0, chargedLock: true });
    expect(new Counted().fail(OTHER, 0, one)).toMatchObject({ granted: true, remaining: 0, chargedLock: true });
  });

  it('is not refilled by a new credential, which has no recognized callers', () => {
    const counted = Counted.owned();
    counted.granted(OWNER, [0, 0]);
    counted.counter = resetForNewCredential(counted.counter);
    expect(counted.granted(OWNER, [1, 1])).toEqual([true, false]);
  });

  const policies = fc.record({
    perWindow: fc.integer({ min: 1, max: 8 }),
    windowSeconds: fc.integer({ min: 1, max: 50 }),
    lockSeconds: fc.integer({ min: 50, max: 100 }),
    maxLockSeconds: fc.integer({ min: 100, max: 400 }),
  });
  const step = fc.record({
    seconds: fc.integer({ min: 0, max: 30 }),
    by: fc.constantFrom(OWNER, OTHER, ANONYMOUS),
    right: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
  });

  it('compares at most perWindow failures in any window, for every mix of callers', () => {
    fc.assert(
      fc.property(policies, fc.array(step, { maxLength: 80 }), fc.boolean(), (policy, steps, owned) => {
        const counted = owned ? Counted.owned() : new Counted();
        let seconds = 0;
        let failures: number[] = [];
        for (const { seconds: passed, by, right } of steps) {
          seconds += passed;
          const decision = counted.fail(by, seconds / 60, policy);
          if (!decision.granted) continue;
          if (right) {
            counted.counter = applyOutcome(counted.counter, decision, by.caller, true);
            failures = [];
            continue;
          }
          failures.push(seconds);
          const inWindow = failures.filter((at) => at > seconds - policy.windowSeconds);
          expect(inWindow.length).toBeLessThanOrEqual(policy.perWindow);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('always reserves an attempt for the recognized caller, for every sequence of other attempts through any agent', () => {
    fc.assert(
      fc.property(policies, policies, fc.array(step, { maxLength: 80 }), (policy, other, steps) => {
        const counted = Counted.owned();
        let seconds = 0;
        for (const { seconds: passed, right, by } of steps) {
          seconds += passed;
          const unrecognized = by === OWNER ? OTHER : by;
          counted.fail(unrecognized, seconds / 60, right ? other : policy);
        }
        expect(countAttempt(counted.counter, OWNER, seconds * 1000, policy)).toMatchObject({ granted: true });
      }),
      { numRuns: 1000 },
    );
  });

  it('gives unrecognized callers the same replies with and without a recognized caller, up to the cap and beyond', () => {
    fc.assert(
      fc.property(
        policies,
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 30 }),
        (policy, steps, cap) => {
          const [owned, unowned] = [Counted.owned(), new Counted()];
          let seconds = 0;
          for (const { seconds: passed } of steps) {
            seconds += passed;
            const shown = [owned, unowned].map((counted) => {
              const { remaining } = counted.fail({ caller: 'other', cap }, seconds / 60, policy);
              return { remaining, lockedUntil: counted.counter.unrecognized.lockedUntil };
            });
            expect(shown[0]).toEqual(shown[1]);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('the cap of consecutive failures', () => {
  const CAPPED_OWNER = { caller: 'owner', cap: 10 };
  const CAPPED_OTHER = { caller: 'other', cap: 10 };
  /** Failures, each long after the lock before it. */
  const failing = (counted: Counted, times: number, by: AttemptInput, from = 0): Counted => {
    for (let n = 0; n < times; n++) counted.fail(by, (from + n) * DAY);
    return counted;
  };

  it('is 10, 25 and 50 for 4, 5 and 6 digits or more, and never above 100', () => {
    expect([4, 5, 6, 8].map(capOf)).toEqual([10, 25, 50, 50]);
    expect(failing(new Counted(), 99, { caller: undefined, cap: 1000 }).counter.disabled).toBe(false);
    expect(failing(new Counted(), 100, { caller: undefined, cap: 1000 }).counter.disabled).toBe(true);
  });

  it('disables the credential with its last attempt, after which not even the correct secret is compared', () => {
    expect(failing(new Counted(), 9, CAPPED_OTHER).counter.disabled).toBe(false);
    const counted = failing(new Counted(), 10, CAPPED_OTHER);
    expect(counted.counter.disabled).toBe(true);
    expect(counted.fail(CAPPED_OTHER, 1000 * DAY)).toMatchObject({ granted: false, disabled: true, remaining: 0 });
  });

  it('starts from zero after a success', () => {
    const counted = failing(new Counted(), 8, CAPPED_OTHER);
    counted.succeed(CAPPED_OTHER, 100 * DAY);
    expect(counted.counter).toMatchObject({ failures: 0, disabled: false });
  });

  it('enables the credential again by a success of the attempt that disabled it, and of no other', () => {
    const counted = failing(new Counted(), 8, CAPPED_OTHER);
    const ninth = counted.fail(CAPPED_OTHER, 100 * DAY);
    const tenth = counted.fail(CAPPED_OTHER, 101 * DAY);
    expect(applyOutcome(tenth.counter, tenth, undefined, true).disabled).toBe(false);
    expect(applyOutcome(tenth.counter, ninth, undefined, true).disabled).toBe(true);
  });

  it('keeps a credential disabled after an unlock, until a new credential is enrolled, which keeps the windows', () => {
    const { counter } = failing(new Counted(), 10, CAPPED_OTHER);
    expect(unlock(counter)).toMatchObject({ disabled: true, failures: 10 });
    expect(resetForNewCredential(counter)).toEqual({
      ...counter,
      disabled: false,
      failures: 0,
      unrecognizedFailures: 0,
    });
  });

  it('is never reached by unrecognized callers alone while there is a recognized one, however often they are unlocked', () => {
    const counted = Counted.owned();
    for (let round = 0; round < 10; round++) {
      failing(counted, 20, CAPPED_OTHER, 100 * (round + 1));
      counted.counter = unlock(counted.counter);
    }
    expect(counted.counter).toMatchObject({ disabled: false, failures: 9 });
    expect(counted.fail(CAPPED_OWNER, 5000 * DAY)).toMatchObject({ granted: true, unrecognized: false });
  });

  it('gives unrecognized callers at most its half while there is a recognized caller', () => {
    const minutes = Array.from({ length: 40 }, (_, at) => 1000 + at * 20);
    const compared = (counted: Counted): number => counted.granted(CAPPED_OTHER, minutes).filter(Boolean).length;
    expect([compared(Counted.owned()), compared(new Counted())]).toEqual([5, 10]);
  });
});
