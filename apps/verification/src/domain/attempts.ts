import { type AttemptPolicy } from '@countersign/contracts';

/** The counter of guesses at one subject reference, known or unknown. Times in milliseconds since 1970. */
export interface Guard {
  /** Every try so far, refused ones included: the gapless number of the latest. */
  readonly tries: number;
  /** Guesses that were let through and fall into the window, oldest first; cleared by a success and by a lock. */
  readonly recent: readonly number[];
  /** How many locks were charged since the last success. */
  readonly lockLevel: number;
  readonly lockedUntil: number | undefined;
}

/** What a try at the gate gave. */
export interface Spent {
  /** The guess may be compared. False: the budget is spent, and the answer is `locked` whatever was guessed. */
  readonly granted: boolean;
  /** This guess was the last of the budget: unless it is right, the subject is locked from now on. */
  readonly chargedLock: boolean;
  /** Guesses that remain in the window after this one. */
  readonly left: number;
  readonly guard: Guard;
}

export const FRESH: Guard = { tries: 0, recent: [], lockLevel: 0, lockedUntil: undefined };

/** Doubling stops here, far above any `maxLockSeconds`; keeps 2^n a finite number. */
const MAX_DOUBLINGS = 20;

/**
 * Spends one guess, before anybody looks at it. The lock is charged together with the last guess of the budget, so a
 * crash can only leave a subject more locked than it should be. Tries during a lock neither count nor extend it.
 * The store's SQL statement is held equal to this function by the contract suite.
 */
export function spend(guard: Guard, now: number, policy: AttemptPolicy): Spent {
  const tries = guard.tries + 1;
  if (guard.lockedUntil !== undefined && now < guard.lockedUntil) {
    return { granted: false, chargedLock: false, left: 0, guard: { ...guard, tries } };
  }
  const recent = guard.recent.filter((at) => at > now - policy.windowSeconds * 1000);
  // More than the budget can stand in the window when a policy was tightened: then this guess is not compared.
  const granted = recent.length < policy.perWindow;
  const left = Math.max(0, policy.perWindow - recent.length - 1);
  if (left > 0) {
    return {
      granted,
      chargedLock: false,
      left,
      guard: { tries, recent: [...recent, now], lockLevel: guard.lockLevel, lockedUntil: undefined },
    };
  }
  return {
    granted,
    chargedLock: true,
    left,
    guard: {
      tries,
      recent: [],
      lockLevel: guard.lockLevel + 1,
      lockedUntil: now + lockSeconds(guard.lockLevel, policy) * 1000,
    },
  };
}

/** A right guess gives the whole budget back and forgets the locks; a wrong one leaves what was spent. */
export function settle(guard: Guard, verified: boolean): Guard {
  return verified ? { ...guard, recent: [], lockLevel: 0, lockedUntil: undefined } : guard;
}

/** Length of the next lock, in seconds, after `lockLevel` earlier ones. */
export function lockSeconds(lockLevel: number, policy: AttemptPolicy): number {
  return Math.min(policy.lockSeconds * 2 ** Math.min(lockLevel, MAX_DOUBLINGS), policy.maxLockSeconds);
}
