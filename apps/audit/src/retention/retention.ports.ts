/** Entries whose retention has ended: all below an index. */
export interface DuePruning {
  /** The last shard that is removed. */
  readonly shard: string;
  /** The first index that stays; a multiple of 256, because bundles are removed whole. */
  readonly below: number;
  /** Size of a checkpoint that covers the entries; `root` is its root. */
  readonly size: number;
  readonly root: Buffer;
}

/** The entries of old shards. */
export abstract class OldEntries {
  /**
   * Entries of shards that ended more than `days` days ago; undefined when there are none, or no checkpoint covers them.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract due(days: number): Promise<DuePruning | undefined>;

  /**
   * Permits the removal for ever, once a checkpoint covers the event that states it.
   * @param eventId of the event `log.pruned`
   * @returns whether the log has the event, and whether the removal is permitted now
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract permit(due: DuePruning, eventId: string): Promise<'not logged' | 'not covered' | 'permitted'>;

  /**
   * Removes a batch of the entries whose removal is permitted, the oldest first.
   * @param from a lower bound of their indexes
   * @returns the index after the last removed one; undefined when nothing remains to be removed
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable; what was removed stays so, and the next call continues
   */
  abstract remove(from: number): Promise<number | undefined>;
}
