import { type Method } from '@countersign/contracts';
import { LOWEST_CAP, type AttemptCounter } from '../attempts/attempt-counter.decision.js';

/** The counter of guesses at one credential, for people who manage it. Times as ISO 8601. */
export interface GuessCounter {
  /** Counted attempts of all callers in the window. */
  readonly attemptsInWindow: number;
  /** The later end of the locks of unrecognized callers and of everybody. */
  readonly lockedUntil: string | undefined;
  /** Guesses that were compared since the last success or enrolment, see {@link shownFailures}. */
  readonly consecutiveFailures: number;
  /** Disabled until it is enrolled anew. */
  readonly disabled: boolean;
}

/** A credential as it is shown: nothing secret, nothing derived from a secret. */
export interface CredentialState extends GuessCounter {
  readonly method: Method;
  /** Of the version in force. */
  readonly enrolledAt: string;
  /** Somebody else chose it: its owner is to change it. */
  readonly mustChange: boolean;
}

/** Counters and locks of a subject, for people who manage it. Those beside `credentials` are of its PIN. */
export interface SubjectState extends GuessCounter {
  readonly subject: string;
  readonly pinEnrolled: boolean;
  readonly pinMustChange: boolean;
  readonly knowledgeEnrolled: boolean;
  readonly phones: number;
  /** Everything that is enrolled, each with the counter that it has for itself. */
  readonly credentials: readonly CredentialState[];
  readonly updatedAt: string;
}

/**
 * Failures as they are shown: as if the cap were the lowest, whatever it is. The count at which a PIN was disabled, or was
 * not, tells how many digits it has. 0 to {@link LOWEST_CAP}
 */
export function shownFailures({ failures, disabled }: Pick<AttemptCounter, 'failures' | 'disabled'>): number {
  return Math.min(failures, disabled ? LOWEST_CAP : LOWEST_CAP - 1);
}
