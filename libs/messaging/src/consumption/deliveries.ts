/** One consumer of a group in one process. */
export interface Holder {
  readonly group: string;
  /** UUID, unique to this consumer. */
  readonly id: string;
}

export interface HeldPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A partition and the offsets that may be handled next. */
export interface OpenedPartition extends HeldPartition {
  /** The next offset that the group would read. */
  readonly next: number;
  /** The offset after the last record in the partition. */
  readonly end: number;
}

export interface RecordPlace extends HeldPartition {
  readonly offset: number;
}

/**
 * What must survive a process so that a record which crashes it can be found: which consumer holds a partition, and how
 * often a record was begun and not finished. Written when partitions move, and for each record only in partitions whose
 * holder died.
 * All methods throw ServiceError DATABASE_UNAVAILABLE (retriable) when the database cannot be reached. Nothing is
 * handled uncounted then.
 */
export interface Deliveries {
  /**
   * Marks partitions as held, and deletes the counts of offsets that cannot be delivered again.
   * @returns partitions that another holder had marked and never released: it died, or has not released them yet
   */
  open(holder: Holder, partitions: readonly OpenedPartition[]): Promise<HeldPartition[]>;
  /** Removes the holder's own marks; marks that another holder has set since are kept. */
  release(holder: Holder, partitions: readonly HeldPartition[]): Promise<void>;
  /**
   * Counts, durably, that handling a record begins.
   * @returns how often it was begun and not finished, including this time
   */
  begin(group: string, place: RecordPlace): Promise<number>;
  /** Records that the process survived: deletes the count when the record was handled, otherwise reduces it by one. */
  end(group: string, place: RecordPlace, handled: boolean): Promise<void>;
}
