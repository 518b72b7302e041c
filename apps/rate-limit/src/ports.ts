import { type FactRecorded, type Limit } from '@countersign/contracts';

/** The question whether one more command of a caller may pass. */
export interface LimitRequest {
  /** Keyed hash of the caller; no telephone number reaches the store. */
  readonly key: string;
  readonly commandId: string;
  readonly limit: Limit;
  /** The fact to record when it is refused; the store sets its time, which is the database's. */
  readonly refusal: FactRecorded;
}

export interface LimitDecision {
  readonly admitted: boolean;
  /** Whole seconds, at least 1, until a request can pass; undefined when admitted. */
  readonly retryAfterSeconds: number | undefined;
}

/**
 * The memory of the limiter. Implementations MUST decide by one atomic statement, under any number of copies, and
 * MUST record a refusal in the transaction that made it.
 */
export abstract class LimitStore {
  /** @throws ServiceError DATABASE_UNAVAILABLE; then nothing passes */
  abstract admit(request: LimitRequest): Promise<LimitDecision>;
}

/** The limits of an agent's policy. */
export abstract class LimitPolicies {
  /** Undefined: no such agent in this tenant (any more). */
  abstract callerLimit(tenant: string, agent: string): Limit | undefined;
}
