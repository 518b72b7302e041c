import { type CountDecision } from './attempt-counter.decision.js';

declare const counted: unique symbol;

/** What a try at the gate gave, as the ledger has it. */
export interface CountedAttemptFields extends Pick<
  CountDecision,
  'granted' | 'chargedLock' | 'chargedDisable' | 'disabled' | 'remaining' | 'unrecognized'
> {
  readonly attemptId: string;
  /** Gapless number of this try at this credential. */
  readonly number: number;
  /** Database time of the try, ISO 8601. */
  readonly countedAt: string;
}

/**
 * The proof that a try was counted and is durable; nothing is compared without one. Its brand is a symbol that no other
 * file can name: only the attempt stores have {@link counted} to make one (rule `spent-before-compared`).
 */
export interface CountedAttempt extends CountedAttemptFields {
  readonly [counted]: true;
}

/** For attempt stores, once the try is durable. */
export function asCountedAttempt(attempt: CountedAttemptFields): CountedAttempt {
  return attempt as CountedAttempt;
}
