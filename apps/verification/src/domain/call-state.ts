import { type Level } from '@countersign/contracts';

/** What a success has shown of the caller of a call. Times as ISO 8601, on the database's clock. */
export interface CallState {
  readonly agent: string;
  readonly level: Exclude<Level, 'none'>;
  readonly subject: string;
  readonly verificationId: string;
  readonly verifiedAt: string;
  /** From then on the call counts as not verified. */
  readonly expiresAt: string;
}

/**
 * The state of a call after a success. Only a higher level of the same subject that still holds stays as it is: a call
 * that was verified is not identified only because somebody asked once more, and its time is not lengthened by less.
 * A success for another subject replaces the state: the call is for them from then on. A failure changes nothing.
 * The store's SQL statement is held equal to this function by the contract suite.
 */
export function afterSuccess(before: CallState | undefined, success: CallState): CallState {
  if (before === undefined || before.subject !== success.subject) return success;
  const holds = Date.parse(before.expiresAt) > Date.parse(success.verifiedAt);
  return holds && before.level === 'verified' && success.level === 'identified' ? before : success;
}
