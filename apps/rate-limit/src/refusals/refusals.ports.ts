import { type UntimedFact } from '@countersign/contracts';

/** Stores facts outside the transaction of a decision, with the time of the database. */
export abstract class FactLog {
  /** Resolves when the facts are durable. @throws ServiceError DATABASE_UNAVAILABLE */
  abstract record(facts: readonly UntimedFact[]): Promise<void>;
}
