import fc from 'fast-check';
import { capOf, FRESH, lockSeconds, renew, settle, spend, unlock, type Guard } from './attempts.js';

const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
const MINUTE = 60_000;
/** Of everybody; the cap is out of the way. */
const GUESS = { caller: undefined, cap: 100 };

/** Plays tries at the given minutes, all of them wrong. */
function play(minutes: number[], policy = POLICY): { granted: boolean[]; guard: Guard } {
  let guard = FRESH;
  const granted = minutes.map((minute) => {
    const spent = spend(guard, GUESS, minute * MINUTE, policy);
    guard = spent.guard;
    return spent.granted;
  });
  return { granted, guard };
}

describe('the budget of guesses', () => {
  it('grants three guesses and locks with the third', () => {
    const { granted, guard } = play([0, 0, 0, 0, 14]);
    expect(granted).toEqual([true, true, true, false, false]);
    expect(guard.strangers.lockedUntil).toBe(15 * MINUTE);
    expect(guard.tries).toBe(5);
  });

  it('neither counts nor extends during a lock, and doubles the next one', () => {
    const { guard } = play([0, 0, 0, 5, 10, 14, 15, 15, 15]);
    expect(guard.strangers.lockedUntil).toBe((15 + 30) * MINUTE);
  });

  it('stops doubling at the longest lock', () => {
    expect([0, 1, 6, 7, 1000].map((level) => lockSeconds(level, POLICY))).toEqual([900, 1800, 57_600, 86_400, 86_400]);
  });

  it('forgets guesses that left the window', () => {
    expect(play([0, 1, 16, 17]).granted).toEqual([true, true, true, true]);
    expect(play([0, 1, 16, 17]).guard.strangers.lockedUntil).toBeUndefined();
  });

  it('gives the whole budget back after a success', () => {
    const { guard } = play([0, 0, 0]);
    const spent = { stranger: true, chargedDisable: false };
    expect(settle(guard, spent, undefined, true)).toEqual({ ...FRESH, tries: 3 });
    expect(settle(guard, spent, undefined, false)).toBe(guard);
  });

  it('compares nothing when a tightened policy leaves no budget', () => {
    const { guard } = play([0, 0], { ...POLICY, perWindow: 5 });
    const spent = spend(guard, GUESS, 1 * MINUTE, { ...POLICY, perWindow: 2 });
    expect(spent).toMatchObject({ granted: false, chargedLock: true, left: 0 });
  });

  it('never grants more than the budget in any window, whatever the times', () => {
    const policies = fc.record({
      perWindow: fc.integer({ min: 1, max: 8 }),
      windowSeconds: fc.integer({ min: 1, max: 50 }),
      lockSeconds: fc.integer({ min: 50, max: 100 }),
      maxLockSeconds: fc.integer({ min: 100, max: 400 }),
    });
    fc.assert(
      fc.property(policies, fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 60 }), (policy, steps) => {
        let guard = FRESH;
        let now = 0;
        const grants: number[] = [];
        for (const step of steps) {
          now += step;
          const spent = spend(guard, GUESS, now, policy);
          if (spent.granted) grants.push(now);
          guard = spent.guard;
        }
        for (const end of grants) {
          const inWindow = grants.filter((at) => at > end - policy.windowSeconds * 1000 && at <= end);
          expect(inWindow.length).toBeLessThanOrEqual(policy.perWindow);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the cap of consecutive failures', () => {
  const DAY = 24 * 60;
  /** Wrong guesses, each long after the lock before it. */
  const fail = (guard: Guard, times: number, guess: { caller: string | undefined; cap: number }, from = 0): Guard =>
    Array.from({ length: times }).reduce<Guard>(
      (before, _, at) => spend(before, guess, (from + at) * DAY * MINUTE, POLICY).guard,
      guard,
    );
  const OWNER = { caller: 'owner', cap: 10 };
  const STRANGER = { caller: 'stranger', cap: 10 };
  const owned = (): Guard => {
    const spent = spend(FRESH, OWNER, 0, POLICY);
    return settle(spent.guard, spent, 'owner', true);
  };

  it('is 10, 25 and 50 for 4, 5 and 6 digits or more, and never above 100', () => {
    expect([4, 5, 6, 8].map(capOf)).toEqual([10, 25, 50, 50]);
    expect(fail(FRESH, 99, { caller: undefined, cap: 1000 }).disabled).toBe(false);
    expect(fail(FRESH, 100, { caller: undefined, cap: 1000 }).disabled).toBe(true);
  });

  it('disables with its last guess, and not even the right one is compared after it', () => {
    const guard = fail(FRESH, 10, STRANGER);
    expect([fail(FRESH, 9, STRANGER).disabled, guard.disabled]).toEqual([false, true]);
    expect(spend(guard, STRANGER, 1000 * DAY * MINUTE, POLICY)).toMatchObject({
      granted: false,
      disabled: true,
      left: 0,
    });
  });

  it('begins anew with a success', () => {
    const spent = spend(fail(FRESH, 8, STRANGER), STRANGER, 100 * DAY * MINUTE, POLICY);
    expect(settle(spent.guard, spent, 'stranger', true)).toMatchObject({ failures: 0, disabled: false });
  });

  it('revives by a success what that try disabled, and nothing that another did', () => {
    const ninth = spend(fail(FRESH, 8, STRANGER), STRANGER, 100 * DAY * MINUTE, POLICY);
    const tenth = spend(ninth.guard, STRANGER, 101 * DAY * MINUTE, POLICY);
    expect(settle(tenth.guard, tenth, undefined, true).disabled).toBe(false);
    expect(settle(tenth.guard, ninth, undefined, true).disabled).toBe(true);
  });

  it('survives an unlock, and ends with a new credential, which keeps the windows', () => {
    const guard = fail(FRESH, 10, STRANGER);
    expect(unlock(guard)).toMatchObject({ disabled: true, failures: 10 });
    expect(renew(guard)).toEqual({ ...guard, disabled: false, failures: 0, strangerFailures: 0 });
  });

  it('is never reached by strangers alone when there is an owner, however often they are unlocked', () => {
    let guard = owned();
    for (let round = 0; round < 10; round++) guard = unlock(fail(guard, 20, STRANGER, 100 * (round + 1)));
    expect(guard).toMatchObject({ disabled: false, failures: 9 });
    expect(spend(guard, OWNER, 5000 * DAY * MINUTE, POLICY)).toMatchObject({ granted: true, stranger: false });
  });

  it('is half for strangers when there is an owner, and shows as at a reference without one', () => {
    const show = (start: Guard): { left: number; granted: boolean }[] => {
      let guard = start;
      return Array.from({ length: 40 }, (_, at) => {
        const spent = spend(guard, STRANGER, (1000 + at * 20) * MINUTE, POLICY);
        guard = spent.guard;
        return spent;
      });
    };
    const [protectedOnes, others] = [show(owned()), show(FRESH)];
    expect(protectedOnes.map(({ left }) => left)).toEqual(others.map(({ left }) => left));
    expect(protectedOnes.filter(({ granted }) => granted)).toHaveLength(5);
    expect(others.filter(({ granted }) => granted)).toHaveLength(10);
  });
});

describe('the lane of strangers', () => {
  it('is switched off by a budget of 0', () => {
    const policy = { ...POLICY, strangersPerWindow: 0 };
    const spent = spend(FRESH, GUESS, 0, policy);
    expect(spent).toMatchObject({ stranger: false, granted: true, left: 2 });
  });

  it('has its own budget, at unknown references too, and never more than that of known callers', () => {
    const left = (strangersPerWindow: number): number => spend(FRESH, GUESS, 0, { ...POLICY, strangersPerWindow }).left;
    expect([left(1), left(2), left(3), left(50)]).toEqual([0, 1, 2, 2]);
  });

  it('is not opened by a success of a known caller', () => {
    let guard = settle(spend(FRESH, GUESS, 0, POLICY).guard, { stranger: true, chargedDisable: false }, 'owner', true);
    for (let n = 0; n < 3; n++) guard = spend(guard, GUESS, MINUTE, POLICY).guard;
    const spent = spend(guard, { caller: 'owner', cap: 100 }, 2 * MINUTE, POLICY);
    const after = settle(spent.guard, spent, 'owner', true);
    expect(after.strangers.lockedUntil).toBe(16 * MINUTE);
    expect(spend(after, GUESS, 3 * MINUTE, POLICY).granted).toBe(false);
  });
});
