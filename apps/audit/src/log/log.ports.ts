/** What one batch added to the log. */
export interface SequencedBatch {
  /** Facts that were taken from the inbox, duplicates included. */
  readonly taken: number;
  /** Entries after the batch. */
  readonly size: number;
}

/** Assigns the indexes of the log. */
export abstract class LogSequencer {
  /**
   * Moves the facts that wait longest from the inbox to the log, with tiles and tree head, in one transaction.
   * @param limit the maximum number of facts
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable; also when another copy has changed the log
   */
  abstract sequence(limit: number): Promise<SequencedBatch>;
}
