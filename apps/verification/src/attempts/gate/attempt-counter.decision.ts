import { type AttemptPolicy } from '@countersign/contracts';

/** The counted attempts and the lock of one group of callers. Times in milliseconds since 1970. */
export interface AttemptWindow {
  /** Counted attempts, oldest first. Cleared by a success, and when the lock has ended. */
  readonly attempts: readonly number[];
  /** How many locks were charged since the last success. */
  readonly lockLevel: number;
  readonly lockedUntil: number | undefined;
}

/**
 * The attempt counter of one credential of a subject reference, known or unknown. The attempt limit of the policy applies to
 * the sum of both windows. There are two, so each group of callers has a lock of its own.
 */
export interface AttemptCounter {
  /** All attempts so far, refused ones included: the gapless number of the latest. */
  readonly attempts: number;
  /** Of callers who have succeeded for this subject. Its lock applies to all callers. */
  readonly recognized: AttemptWindow;
  /** Of all other callers. Its lock applies to them only. */
  readonly unrecognized: AttemptWindow;
  /** Compared attempts since the last success or enrolment. */
  readonly failures: number;
  /** Attempts of unrecognized callers that a credential without recognized callers would have compared, see {@link countAttempt}. */
  readonly unrecognizedFailures: number;
  /** The cap is reached: nothing is compared until a new credential is enrolled. */
  readonly disabled: boolean;
  /** Keyed hashes of the callers who have succeeded, the latest last. */
  readonly callers: readonly string[];
  /** Time of the latest attempt. A later attempt never has an earlier time. */
  readonly touchedAt: number;
}

/** An attempt, as far as counting depends on it. */
export interface AttemptInput {
  /** Undefined: this caller cannot be distinguished from others, so it is never recognized. */
  readonly caller: string | undefined;
  /** Consecutive failures after which the credential is disabled, see {@link capOf}; values above 100 count as 100. */
  readonly cap: number;
}

/** The decision of the gate about one attempt. */
export interface CountDecision {
  /** The submitted secret may be compared. */
  readonly granted: boolean;
  /** The last attempt of the window: unless it succeeds, its group of callers is locked. */
  readonly chargedLock: boolean;
  /** The last attempt that the cap allows: unless it succeeds, the credential is disabled. */
  readonly chargedDisable: boolean;
  /** The credential is disabled, by this attempt or by an earlier one. */
  readonly disabled: boolean;
  /** Remaining attempts as the caller sees them. 0: the outcome of a failure is `locked`. */
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

/** NIST SP 800-63B-4, 3.2.2: no more consecutive failures than this, also if a row has a higher cap. */
export const HIGHEST_CAP = 100;

/** Recognized callers of one counter, the latest ones: a row has a bounded size. */
export const MAX_RECOGNIZED_CALLERS = 8;

/** The cap of a PIN of 4 digits, of knowledge answers, and of references in a tenant without credentials. */
export const LOWEST_CAP = 10;

export const CREDENTIAL_KINDS = ['pin', 'knowledge'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/**
 * The key of the counter of one credential. PIN and answers have separate counters: otherwise a caller who knows the answers
 * could clear the failures at the PIN by a success with the answers.
 * @param referenceKey keyed hash of the reference
 */
export function counterKeyOf(referenceKey: string, kind: CredentialKind): string {
  return kind === 'pin' ? referenceKey : `${referenceKey}:${kind}`;
}

/** The inverse of {@link counterKeyOf}. */
export function referenceKeyOf(row: string): string {
  return row.split(':', 1)[0] ?? row;
}

/** Consecutive failures that disable a PIN of this many digits. */
export function capOf(digits: number): number {
  if (digits >= 6) return 50;
  return digits === 5 ? 25 : LOWEST_CAP;
}

/**
 * Counts one attempt before the submitted secret is compared. Lock and disabling are charged with the attempt that reaches
 * them, and a success takes them back. So a crash in between can only leave a credential more locked than it should be.
 * Attempts during a lock neither count nor extend it.
 *
 * `perWindow` limits all callers together. While a credential has recognized callers, its last attempt is reserved for them.
 * If an unrecognized caller makes it, the secret is not compared, and the reply is that of an unknown reference at its last
 * attempt. A visible refusal one attempt earlier would reveal that a recognized caller exists.
 *
 * The share of the cap is hidden for the same reason. While there are recognized callers, at most half of the cap of other
 * callers is compared, and never its last attempt. Beyond that, they get the replies of an unknown reference. A model test
 * compares the SQL statement of the store with this function.
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
  // After a policy was tightened, more attempts than it allows can be in the window: then this one is not compared.
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
 * How many attempts of the window are used up for this group of callers: the sum over both groups. For a recognized caller,
 * attempts of unrecognized ones count for at most all but one, even if an agent with a wider policy allowed more.
 */
function takenAt(counter: AttemptCounter, unrecognized: boolean, now: number, policy: AttemptPolicy): number {
  const others = attemptsAt(counter.unrecognized, now, policy).length;
  const most = unrecognized ? others : policy.perWindow - 1;
  return attemptsAt(counter.recognized, now, policy).length + Math.min(others, most);
}

/**
 * A failure changes nothing: its attempt was counted before. A success clears the failures and the window of recognized
 * callers, and its caller becomes one of them. It clears the window of unrecognized callers only if one of them made it.
 * Otherwise each call of the subject would give attackers new attempts. It enables only what its own attempt disabled.
 */
export function applyOutcome(
  counter: AttemptCounter,
  decision: Pick<CountDecision, 'unrecognized' | 'chargedDisable'>,
  caller: string | undefined,
  verified: boolean,
): AttemptCounter {
  if (!verified) return counter;
  const others = counter.callers.filter((one) => one !== caller);
  return {
    ...counter,
    recognized: EMPTY,
    unrecognized: decision.unrecognized ? EMPTY : counter.unrecognized,
    failures: 0,
    unrecognizedFailures: 0,
    disabled: counter.disabled && !decision.chargedDisable,
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

/** A new credential has no failures and no recognized callers. Windows and locks stay, so enrolling gives no new attempts. */
export function resetForNewCredential(counter: AttemptCounter): AttemptCounter {
  return { ...counter, failures: 0, unrecognizedFailures: 0, disabled: false, callers: [] };
}

/** Length of the next lock, in seconds, after `lockLevel` earlier ones. */
export function lockSeconds(lockLevel: number, policy: AttemptPolicy): number {
  return Math.min(policy.lockSeconds * 2 ** Math.min(lockLevel, MAX_DOUBLINGS), policy.maxLockSeconds);
}
