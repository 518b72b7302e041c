import { type AttemptPolicy } from '@countersign/contracts';

/** The counted attempts and the lock of one group of callers. Times in milliseconds since 1970. */
export interface AttemptWindow {
  /** Attempts that used up a part of the budget, oldest first. Cleared by a success and once its lock has ended. */
  readonly attempts: readonly number[];
  /** How many locks were charged since the last success. */
  readonly lockLevel: number;
  readonly lockedUntil: number | undefined;
}

/**
 * The attempt counter of one credential of a subject reference, known or unknown. The budget of the policy is the sum
 * over both windows; they are kept apart so that each group has its own lock.
 */
export interface AttemptCounter {
  /** All attempts so far, refused ones included: the gapless number of the latest. */
  readonly attempts: number;
  /** Of callers who have succeeded for this subject. Its lock holds for everybody. */
  readonly recognized: AttemptWindow;
  /** Of everybody else. Its lock holds for them only. */
  readonly unrecognized: AttemptWindow;
  /** Compared attempts since the last success or enrolment. */
  readonly failures: number;
  /** Attempts of unrecognized callers that a credential without recognized callers would have compared, see {@link countAttempt}. */
  readonly unrecognizedFailures: number;
  /** The cap is reached: nothing is compared until the credential is enrolled anew. */
  readonly disabled: boolean;
  /** Keyed hashes of the callers who have succeeded, the latest last. */
  readonly callers: readonly string[];
  /** Time of the latest attempt: time never runs backwards on a counter. */
  readonly touchedAt: number;
}

/** What the gate needs to know about an attempt. */
export interface AttemptInput {
  /** Undefined: this caller cannot be told from others, so it is never recognized. */
  readonly caller: string | undefined;
  /** Consecutive failures after which the credential is disabled, see {@link capOf}; values above 100 count as 100. */
  readonly cap: number;
}

/** The decision of the gate about one attempt. */
export interface CountDecision {
  /** The submitted secret may be compared. */
  readonly granted: boolean;
  /** This attempt used up the budget: unless it succeeds, its group of callers is locked from now on. */
  readonly chargedLock: boolean;
  /** This attempt was the last that the cap allows: unless it succeeds, the credential is disabled from now on. */
  readonly chargedDisable: boolean;
  /** The credential is disabled, by this attempt or by an earlier one. */
  readonly disabled: boolean;
  /** Attempts that seem to remain after this one. 0: the outcome of a failure is `locked`. */
  readonly remaining: number;
  /** Made by an unrecognized caller. */
  readonly unrecognized: boolean;
  readonly counter: AttemptCounter;
}

const EMPTY: AttemptWindow = { attempts: [], lockLevel: 0, lockedUntil: undefined };

/** The counter of a reference without attempts. */
export const NEW_COUNTER: AttemptCounter = {
  attempts: 0,
  recognized: EMPTY,
  unrecognized: EMPTY,
  failures: 0,
  unrecognizedFailures: 0,
  disabled: false,
  callers: [],
  touchedAt: 0,
};

/** Doubling stops here, far above any `maxLockSeconds`; keeps 2^n a finite number. */
export const MAX_DOUBLINGS = 20;

/** NIST SP 800-63B-4, 3.2.2: no more consecutive failures than this, whatever a row says. */
export const HIGHEST_CAP = 100;

/** Recognized callers of one counter, the latest ones: a row has a bounded size. */
export const MAX_RECOGNIZED_CALLERS = 8;

/** The cap of a PIN of 4 digits, of knowledge, and of what a tenant without credentials is asked about. */
export const LOWEST_CAP = 10;

/** What a guess is a guess at. */
export const CREDENTIAL_KINDS = ['pin', 'knowledge'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/**
 * The counter of one credential of a reference. Each has its own: whoever knows the answers must not be able to forgive,
 * by a success at them, what was guessed at the PIN.
 * @param referenceKey keyed hash of the reference
 */
export function counterKeyOf(referenceKey: string, kind: CredentialKind): string {
  return kind === 'pin' ? referenceKey : `${referenceKey}:${kind}`;
}

/** The reference that a {@link counterKeyOf} is of. */
export function referenceKeyOf(row: string): string {
  return row.split(':', 1)[0] ?? row;
}

/** Consecutive failures that disable a PIN of this many digits. */
export function capOf(digits: number): number {
  if (digits >= 6) return 50;
  return digits === 5 ? 25 : LOWEST_CAP;
}

/**
 * Counts one attempt before the submitted secret is compared. Lock and disabling are charged together with the attempt
 * that reaches them, so a crash can only leave a credential more locked than it should be. Attempts during a lock
 * neither count nor extend it.
 *
 * `perWindow` is the budget of all callers together. While a credential has recognized callers, its last attempt is
 * reserved for them: an unrecognized caller who reaches it is not compared. The answer is the one that an unknown
 * reference gives to the same attempt, where it is compared and spends the budget. Refusing one attempt earlier, visibly,
 * would reveal that a recognized caller exists.
 *
 * For the same reason the share of the cap that unrecognized callers get is not visible either. While there are
 * recognized callers, others get at most half of the cap compared and never its last attempt; beyond that, they get the
 * answers of an unknown reference. A model test holds the store's SQL statement to this function.
 */
export function countAttempt(
  counter: AttemptCounter,
  attempt: AttemptInput,
  at: number,
  policy: AttemptPolicy,
): CountDecision {
  const now = Math.max(at, counter.touchedAt);
  const cap = Math.min(attempt.cap, HIGHEST_CAP);
  const unrecognized = !(attempt.caller !== undefined && counter.callers.includes(attempt.caller));
  const lastIsReserved = unrecognized && counter.callers.length > 0;
  const { failures, unrecognizedFailures, disabled } = counter;
  const tried = { ...counter, attempts: counter.attempts + 1, touchedAt: now };
  const closed =
    disabled ||
    isLocked(counter.recognized, now) ||
    (unrecognized && isLocked(counter.unrecognized, now)) ||
    (lastIsReserved && unrecognizedFailures >= cap);
  if (closed) {
    const nothing = { granted: false, chargedLock: false, chargedDisable: false, remaining: 0 };
    return { ...nothing, disabled, unrecognized, counter: tried };
  }
  const own = unrecognized ? counter.unrecognized : counter.recognized;
  const taken = takenAt(counter, unrecognized, now, policy);
  // More than the budget can be taken when a policy was tightened: then this attempt is not compared.
  const withinBudget = taken < policy.perWindow;
  const counted = lastIsReserved ? taken < policy.perWindow - 1 : withinBudget;
  const beyondShare = lastIsReserved && (unrecognizedFailures >= Math.floor(cap / 2) || failures + 1 >= cap);
  const granted = counted && !beyondShare;
  const failuresNow = failures + (granted ? 1 : 0);
  const unrecognizedNow = unrecognizedFailures + (withinBudget && unrecognized ? 1 : 0);
  const chargedDisable = granted && failuresNow >= cap;
  const remainingOfCap = cap - (lastIsReserved ? unrecognizedNow : failuresNow);
  const remainingOfWindow = Math.max(0, policy.perWindow - taken - 1);
  const chargedLock = remainingOfWindow === 0;
  const attempts = [...attemptsAt(own, now, policy), ...(counted ? [now] : [])];
  const { lockLevel } = own;
  const window: AttemptWindow = chargedLock
    ? { attempts, lockLevel: lockLevel + 1, lockedUntil: now + lockSeconds(lockLevel, policy) * 1000 }
    : { attempts, lockLevel, lockedUntil: undefined };
  return {
    granted,
    chargedLock,
    chargedDisable,
    disabled: chargedDisable,
    remaining: Math.max(0, Math.min(remainingOfWindow, remainingOfCap)),
    unrecognized,
    counter: {
      ...tried,
      ...(unrecognized ? { unrecognized: window } : { recognized: window }),
      failures: failuresNow,
      unrecognizedFailures: unrecognizedNow,
      disabled: chargedDisable,
    },
  };
}

const isLocked = ({ lockedUntil }: AttemptWindow, now: number): boolean =>
  lockedUntil !== undefined && now < lockedUntil;

/** Attempts that still count: a lock that has ended has cleared those that led to it. */
export function attemptsAt(
  { attempts, lockedUntil }: AttemptWindow,
  now: number,
  { windowSeconds }: Pick<AttemptPolicy, 'windowSeconds'>,
): number[] {
  if (lockedUntil !== undefined && now >= lockedUntil) return [];
  return attempts.filter((one) => one > now - windowSeconds * 1000);
}

/**
 * How much of the budget is used up for this group of callers: the sum over both. To a recognized caller the others count
 * for all but one attempt at most, even if they made more of them through an agent with a wider policy.
 */
function takenAt(counter: AttemptCounter, unrecognized: boolean, now: number, policy: AttemptPolicy): number {
  const others = attemptsAt(counter.unrecognized, now, policy).length;
  const most = unrecognized ? others : policy.perWindow - 1;
  return attemptsAt(counter.recognized, now, policy).length + Math.min(others, most);
}

/**
 * A failure leaves what was spent. A success clears the failures and the window of recognized callers, to whom its caller
 * belongs from now on. It clears the window of unrecognized callers only if one of them made it: otherwise each call of the
 * owner would give guessers a new budget. It enables what its own attempt disabled and nothing else.
 */
export function applyOutcome(
  counter: AttemptCounter,
  spent: Pick<CountDecision, 'unrecognized' | 'chargedDisable'>,
  caller: string | undefined,
  verified: boolean,
): AttemptCounter {
  if (!verified) return counter;
  const others = counter.callers.filter((one) => one !== caller);
  return {
    ...counter,
    recognized: EMPTY,
    unrecognized: spent.unrecognized ? EMPTY : counter.unrecognized,
    failures: 0,
    unrecognizedFailures: 0,
    disabled: counter.disabled && !spent.chargedDisable,
    callers: caller === undefined ? counter.callers : [...others, caller].slice(-MAX_RECOGNIZED_CALLERS),
  };
}

/** By an administrator: clears both windows. The failures and the length of the next lock stay as they are. */
export function unlock(counter: AttemptCounter): AttemptCounter {
  const cleared = (window: AttemptWindow): AttemptWindow => ({ ...window, attempts: [], lockedUntil: undefined });
  return {
    ...counter,
    recognized: cleared(counter.recognized),
    unrecognized: cleared(counter.unrecognized),
    unrecognizedFailures: 0,
  };
}

/** Nobody has failed or succeeded at a new credential yet. Windows and locks stay: enrolling does not refill a budget. */
export function resetForNewCredential(counter: AttemptCounter): AttemptCounter {
  return { ...counter, failures: 0, unrecognizedFailures: 0, disabled: false, callers: [] };
}

/** Length of the next lock, in seconds, after `lockLevel` earlier ones. */
export function lockSeconds(lockLevel: number, policy: AttemptPolicy): number {
  return Math.min(policy.lockSeconds * 2 ** Math.min(lockLevel, MAX_DOUBLINGS), policy.maxLockSeconds);
}
