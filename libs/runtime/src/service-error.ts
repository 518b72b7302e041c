import { type ErrorCode } from '@countersign/contracts';

/**
 * A fault: the system is broken, not the request. Outcomes are values in messages, refusals happen at the edge.
 * The message is for operators and holds no input of a caller; `retriable` is all that a consumer asks.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** True: the same work can succeed later (database, broker). False: it never will. */
    readonly retriable: boolean,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
