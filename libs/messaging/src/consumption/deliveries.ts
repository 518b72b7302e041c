/** One consumer of a group, in one process. */
export interface Holder {
  readonly group: string;
  /** UUID, of its own for each consumer that ever ran. */
  readonly id: string;
}

export interface HeldPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A partition, and what of it can be begun. */
export interface OpenedPartition extends HeldPartition {
  /** The next offset that the group would read. */
  readonly next: number;
  /** The offset after the last record that there is. */
  readonly end: number;
}

export interface RecordPlace extends HeldPartition {
  readonly offset: number;
}

/**
 * What has to outlive a process so that a record which ends it is found: who holds a partition, and how often a record
 * was begun and not ended. Written when partitions move, and for each record only where a process died. All methods
 * throw ServiceError DATABASE_UNAVAILABLE (retriable) when the store is away; nothing is handled uncounted then.
 */
export interface Deliveries {
  /**
   * Marks partitions as held, and forgets counts of offsets that cannot come any more.
   * @returns those that another holder had marked and never released: it died, or has not released yet
   */
  open(holder: Holder, partitions: readonly OpenedPartition[]): Promise<HeldPartition[]>;
  /** Takes the holder's own marks away; those that another holder has set since stay. */
  release(holder: Holder, partitions: readonly HeldPartition[]): Promise<void>;
  /** Counts, durably, that a record is begun. @returns how often it was begun and not ended, this time included */
  begin(group: string, place: RecordPlace): Promise<number>;
  /** The process lives: forgets the record when it was handled, else takes back one count. */
  end(group: string, place: RecordPlace, handled: boolean): Promise<void>;
}
