import { type AttemptPolicy } from '@countersign/contracts';

/** The window and the lock of one lane. Times in milliseconds since 1970. */
export interface Lane {
  /** Guesses that took a place in the window, oldest first; cleared by a success and by a lock. */
  readonly recent: readonly number[];
  /** How many locks were charged since the last success. */
  readonly lockLevel: number;
  readonly lockedUntil: number | undefined;
}

/** The counter of guesses at one credential of a subject reference, known or unknown. */
export interface Guard {
  /** Every try so far, refused ones included: the gapless number of the latest. */
  readonly tries: number;
  /** Of callers who have succeeded for this subject. */
  readonly known: Lane;
  /** Of everybody else. */
  readonly strangers: Lane;
  /** Guesses that were compared since the last success or enrolment. */
  readonly failures: number;
  /** Places that strangers took in their window since the last success, unlocking or enrolment. */
  readonly strangerFailures: number;
  /** The cap is reached: nothing is compared until the credential is enrolled anew. */
  readonly disabled: boolean;
  /** Keyed hashes of the callers who have succeeded, the latest last. Not empty: the credential has an owner. */
  readonly callers: readonly string[];
  /** Time of the latest try: time never runs backwards on a guard. */
  readonly touchedAt: number;
}

/** What a guess brings along. */
export interface Guess {
  /** Undefined: nobody can tell this caller from others, so it is a stranger for ever. */
  readonly caller: string | undefined;
  /** Consecutive failures after which the credential is disabled, see {@link capOf}; values above 100 count as 100. */
  readonly cap: number;
}

/** What a try at the gate gave. */
export interface Spent {
  /** The guess may be compared. */
  readonly granted: boolean;
  /** This guess was the last of the budget: unless it is right, its lane is locked from now on. */
  readonly chargedLock: boolean;
  /** This guess was the last that the cap allows: unless it is right, the credential is disabled from now on. */
  readonly chargedDisable: boolean;
  /** The credential is disabled, by this guess or by an earlier one. */
  readonly disabled: boolean;
  /** Guesses that seem to remain after this one. 0: the answer is `locked`, whatever was guessed. */
  readonly left: number;
  /** It drew on the budget of strangers. */
  readonly stranger: boolean;
  readonly guard: Guard;
}

const OPEN: Lane = { recent: [], lockLevel: 0, lockedUntil: undefined };

export const FRESH: Guard = {
  tries: 0,
  known: OPEN,
  strangers: OPEN,
  failures: 0,
  strangerFailures: 0,
  disabled: false,
  callers: [],
  touchedAt: 0,
};

/** Doubling stops here, far above any `maxLockSeconds`; keeps 2^n a finite number. */
const MAX_DOUBLINGS = 20;

/** NIST SP 800-63B-4, 3.2.2: no more consecutive failures than this, whatever a row says. */
const HIGHEST_CAP = 100;

/** Callers that are remembered as known, the latest ones: a row has a bounded size. */
export const MOST_CALLERS = 8;

/** The cap of a PIN of 4 digits, of knowledge, and of what a tenant without credentials is asked about. */
export const LOWEST_CAP = 10;

/** What a guess is a guess at. */
export const CREDENTIAL_KINDS = ['pin', 'knowledge'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/**
 * The counter of one credential of a reference. Each has its own: whoever knows the answers must not be able to forgive,
 * by a success at them, what was guessed at the PIN.
 * @param guardKey keyed hash of the reference
 */
export function guardRow(guardKey: string, kind: CredentialKind): string {
  return kind === 'pin' ? guardKey : `${guardKey}:${kind}`;
}

/** The reference that a {@link guardRow} is of. */
export function referenceOf(row: string): string {
  return row.split(':', 1)[0] ?? row;
}

/** Consecutive failures that disable a PIN of this many digits. */
export function capOf(digits: number): number {
  if (digits >= 6) return 50;
  return digits === 5 ? 25 : LOWEST_CAP;
}

/** Places in the window of strangers; 0: there are no lanes, everybody draws on one budget. */
export function strangersPerWindow(policy: AttemptPolicy): number {
  return Math.min(policy.strangersPerWindow ?? policy.perWindow, policy.perWindow);
}

/**
 * Spends one guess, before anybody looks at it. Lock and disabling are charged together with the guess that reaches them,
 * so a crash can only leave a credential more locked than it should be. Tries during a lock neither count nor extend it.
 *
 * Where the credential has an owner, strangers get at most half of the cap compared and never its last guess. What they
 * guess beyond that is answered as it would be at an unknown reference: a lane that closed early would tell that there
 * is an owner. The store's SQL statement is held equal to this function by a model test.
 */
export function spend(guard: Guard, guess: Guess, at: number, policy: AttemptPolicy): Spent {
  const now = Math.max(at, guard.touchedAt);
  const cap = Math.min(guess.cap, HIGHEST_CAP);
  const stranger =
    strangersPerWindow(policy) > 0 && !(guess.caller !== undefined && guard.callers.includes(guess.caller));
  const lane = stranger ? guard.strangers : guard.known;
  const owned = stranger && guard.callers.length > 0;
  const tried = { ...guard, tries: guard.tries + 1, touchedAt: now };
  const closed =
    guard.disabled ||
    (lane.lockedUntil !== undefined && now < lane.lockedUntil) ||
    (owned && guard.strangerFailures >= cap);
  if (closed) {
    const { disabled } = guard;
    return { granted: false, chargedLock: false, chargedDisable: false, disabled, left: 0, stranger, guard: tried };
  }
  const perWindow = stranger ? strangersPerWindow(policy) : policy.perWindow;
  const recent = lane.recent.filter((one) => one > now - policy.windowSeconds * 1000);
  // More than the budget can stand in the window when a policy was tightened: then this guess is not compared.
  const placed = recent.length < perWindow;
  const withheld = owned && (guard.strangerFailures >= Math.floor(cap / 2) || guard.failures + 1 >= cap);
  const granted = placed && !withheld;
  const failures = guard.failures + (granted ? 1 : 0);
  const strangerFailures = guard.strangerFailures + (placed && stranger ? 1 : 0);
  const chargedDisable = granted && failures >= cap;
  const leftOfCap = cap - (owned ? strangerFailures : failures);
  const leftOfWindow = Math.max(0, perWindow - recent.length - 1);
  const spentLane: Lane =
    leftOfWindow > 0
      ? { recent: [...recent, now], lockLevel: lane.lockLevel, lockedUntil: undefined }
      : {
          recent: [],
          lockLevel: lane.lockLevel + 1,
          lockedUntil: now + lockSeconds(lane.lockLevel, policy) * 1000,
        };
  const disabled = chargedDisable;
  return {
    granted,
    chargedLock: leftOfWindow === 0,
    chargedDisable,
    disabled,
    left: Math.max(0, Math.min(leftOfWindow, leftOfCap)),
    stranger,
    guard: {
      ...tried,
      ...(stranger ? { strangers: spentLane } : { known: spentLane }),
      failures,
      strangerFailures,
      disabled,
    },
  };
}

/**
 * A wrong guess leaves what was spent. A right one forgets the failures, opens the lane that it drew on and the one of
 * known callers, to which its caller belongs from now on. It revives what its own try disabled and nothing else.
 */
export function settle(
  guard: Guard,
  spent: Pick<Spent, 'stranger' | 'chargedDisable'>,
  caller: string | undefined,
  verified: boolean,
): Guard {
  if (!verified) return guard;
  const others = guard.callers.filter((one) => one !== caller);
  return {
    ...guard,
    known: OPEN,
    strangers: spent.stranger ? OPEN : guard.strangers,
    failures: 0,
    strangerFailures: 0,
    disabled: guard.disabled && !spent.chargedDisable,
    callers: caller === undefined ? guard.callers : [...others, caller].slice(-MOST_CALLERS),
  };
}

/** By a person who may: opens both lanes. The count of failures and the length of the next lock stay as they are. */
export function unlock(guard: Guard): Guard {
  const opened = (lane: Lane): Lane => ({ ...lane, recent: [], lockedUntil: undefined });
  return { ...guard, known: opened(guard.known), strangers: opened(guard.strangers), strangerFailures: 0 };
}

/** A new credential: nobody has failed or succeeded at it yet. Windows and locks stay: enrolling is no way around them. */
export function renew(guard: Guard): Guard {
  return { ...guard, failures: 0, strangerFailures: 0, disabled: false, callers: [] };
}

/** Length of the next lock, in seconds, after `lockLevel` earlier ones. */
export function lockSeconds(lockLevel: number, policy: AttemptPolicy): number {
  return Math.min(policy.lockSeconds * 2 ** Math.min(lockLevel, MAX_DOUBLINGS), policy.maxLockSeconds);
}
