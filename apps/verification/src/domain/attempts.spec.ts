import fc from 'fast-check';
import { FRESH, lockSeconds, settle, spend, type Guard } from './attempts.js';

const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
const MINUTE = 60_000;

/** Plays tries at the given minutes, all of them wrong. */
function play(minutes: number[], policy = POLICY): { granted: boolean[]; guard: Guard } {
  let guard = FRESH;
  const granted = minutes.map((minute) => {
    const spent = spend(guard, minute * MINUTE, policy);
    guard = spent.guard;
    return spent.granted;
  });
  return { granted, guard };
}

describe('the budget of guesses', () => {
  it('grants three guesses and locks with the third', () => {
    const { granted, guard } = play([0, 0, 0, 0, 14]);
    expect(granted).toEqual([true, true, true, false, false]);
    expect(guard.lockedUntil).toBe(15 * MINUTE);
    expect(guard.tries).toBe(5);
  });

  it('neither counts nor extends during a lock, and doubles the next one', () => {
    const { guard } = play([0, 0, 0, 5, 10, 14, 15, 15, 15]);
    expect(guard.lockedUntil).toBe((15 + 30) * MINUTE);
  });

  it('stops doubling at the longest lock', () => {
    expect([0, 1, 6, 7, 1000].map((level) => lockSeconds(level, POLICY))).toEqual([900, 1800, 57_600, 86_400, 86_400]);
  });

  it('forgets guesses that left the window', () => {
    expect(play([0, 1, 16, 17]).granted).toEqual([true, true, true, true]);
    expect(play([0, 1, 16, 17]).guard.lockedUntil).toBeUndefined();
  });

  it('gives the whole budget back after a success', () => {
    const { guard } = play([0, 0, 0]);
    expect(settle(guard, true)).toEqual({ tries: 3, recent: [], lockLevel: 0, lockedUntil: undefined });
    expect(settle(guard, false)).toBe(guard);
  });

  it('compares nothing when a tightened policy leaves no budget', () => {
    const { guard } = play([0, 0], { ...POLICY, perWindow: 5 });
    const spent = spend(guard, 1 * MINUTE, { ...POLICY, perWindow: 2 });
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
          const spent = spend(guard, now, policy);
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
