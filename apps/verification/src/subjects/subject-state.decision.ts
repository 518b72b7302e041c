import { type Method } from '@countersign/contracts';
import { LOWEST_CAP, type AttemptCounter } from '../attempts/attempt-counter.decision.js';

/** The attempt counter of one credential, as administrators see it. Times as ISO 8601. */
export interface CounterState {
  /** Counted attempts of all callers in the window. */
  readonly attemptsInWindow: number;
  /** The later end of the locks of unrecognized callers and of everybody. */
  readonly lockedUntil: string | undefined;
  /** Compared attempts since the last success or enrolment, see {@link shownFailures}. */
  readonly consecutiveFailures: number;
  /** Disabled until it is enrolled again. */
  readonly disabled: boolean;
}

/** A credential as administrators see it, without secrets and values derived from them. */
export interface CredentialState extends CounterState {
  readonly method: Method;
  /** Time of the enrolment of the version in force. */
  readonly enrolledAt: string;
  /** An administrator chose it, so the subject must change it. */
  readonly mustChange: boolean;
}

/** Counters and locks of a subject, as administrators see them. The fields outside `credentials` describe its PIN. */
export interface SubjectState extends CounterState {
  readonly subject: string;
  readonly pinEnrolled: boolean;
  readonly pinMustChange: boolean;
  readonly knowledgeEnrolled: boolean;
  readonly phones: number;
  /** Every enrolled credential with its own counter. */
  readonly credentials: readonly CredentialState[];
  readonly updatedAt: string;
}

/**
 * Limits the shown failures as if the cap were the lowest one. The count at which a PIN is disabled, or is not yet, would reveal
 * its length. @returns 0 to {@link LOWEST_CAP}
 */
export function shownFailures({ failures, disabled }: Pick<AttemptCounter, 'failures' | 'disabled'>): number {
  return Math.min(failures, disabled ? LOWEST_CAP : LOWEST_CAP - 1);
}
