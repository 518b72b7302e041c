import { type CredentialFilter, type Method } from '@countersign/contracts';
import { LOWEST_CAP, type AttemptCounter } from '../attempts/gate/attempt-counter.decision.js';

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

/** A recognized caller, as administrators see it. Empty if the caller was recognized before these fields were stored. */
export interface RecognizedCaller {
  /** The last two digits of the telephone number. */
  readonly callerTail?: string;
  /** Time of the success that made the caller recognized, ISO 8601. */
  readonly firstVerifiedAt?: string;
}

/** A caller who becomes recognized for a credential. */
export interface NewRecognizedCaller extends Required<RecognizedCaller> {
  readonly method: Method;
  /** Keyed hash of the caller. */
  readonly caller: string;
}

/** A credential as administrators see it, without secrets and values derived from them. */
export interface CredentialState extends CounterState {
  readonly method: Method;
  /** Time of the enrolment of the version in force. */
  readonly enrolledAt: string;
  /** An administrator chose it, so the subject must change it. */
  readonly mustChange: boolean;
  /** The caller of the latest success first. */
  readonly recognizedCallers: readonly RecognizedCaller[];
}

/**
 * A subject as administrators see it: nothing secret, and nothing derived from a secret. The counter beside `credentials` is
 * that of its PIN.
 */
export interface SubjectState extends CounterState {
  readonly subject: string;
  /** Undefined, as `locale`, if there is none or the profile does not decrypt. */
  readonly displayName: string | undefined;
  readonly locale: string | undefined;
  /** Country code and last two digits of each number. */
  readonly phones: readonly string[];
  readonly pinEnrolled: boolean;
  readonly pinMustChange: boolean;
  readonly knowledgeEnrolled: boolean;
  /** Every enrolled credential with its own counter. */
  readonly credentials: readonly CredentialState[];
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Whether a list with this filter shows a subject. */
export function matchesFilter(
  credentials: readonly Pick<CounterState, 'lockedUntil' | 'disabled'>[],
  filter: CredentialFilter | undefined,
): boolean {
  switch (filter) {
    case undefined:
      return true;
    case 'none':
      return credentials.length === 0;
    case 'locked':
      return credentials.some(({ lockedUntil }) => lockedUntil !== undefined);
    case 'disabled':
      return credentials.some(({ disabled }) => disabled);
  }
}

/**
 * Limits the shown failures as if the cap were the lowest one. The count at which a PIN is disabled, or is not yet, would reveal
 * its length. @returns 0 to {@link LOWEST_CAP}
 */
export function shownFailures({ failures, disabled }: Pick<AttemptCounter, 'failures' | 'disabled'>): number {
  return Math.min(failures, disabled ? LOWEST_CAP : LOWEST_CAP - 1);
}
