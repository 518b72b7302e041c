import { type ErrorCode } from '@countersign/contracts';

/**
 * A fault: the system failed, not the request. Outcomes are values in messages; invalid input is refused at the edge. The
 * message is for operators and contains no input of a caller.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** True when the same work can succeed later, for example after the database is back. A consumer then retries. */
    readonly retriable: boolean,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
