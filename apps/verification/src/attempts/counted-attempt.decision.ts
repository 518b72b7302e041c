import { type CountDecision } from './gate/attempt-counter.decision.js';

declare const counted: unique symbol;

/** The decision of the attempt gate about one attempt, as the ledger stores it. */
export interface CountedAttemptFields extends Pick<
  CountDecision,
  'granted' | 'chargedLock' | 'chargedDisable' | 'disabled' | 'remaining' | 'unrecognized'
> {
  readonly attemptId: string;
  /** Gapless number of this attempt at this credential. */
  readonly number: number;
  /** Time of the attempt on the clock of the database, ISO 8601. */
  readonly countedAt: string;
}

/**
 * The proof that an attempt was counted and is durable. Nothing is compared without one. Its brand is a symbol that no other
 * file can name, and only attempt gates may import the function that makes one (import rule `counted-before-compared`).
 */
export interface CountedAttempt extends CountedAttemptFields {
  readonly [counted]: true;
}

/** For attempt gates, once the attempt is durable. */
export function asCountedAttempt(attempt: CountedAttemptFields): CountedAttempt {
  return attempt as CountedAttempt;
}
