import { OffsetTracker } from './offset-tracker.js';

/** Records that a process which died may have begun; each is handled alone. */
export interface QuarantineRange {
  /** The offset after the last of them. */
  readonly until: number;
  /** The maximum number of records still to be taken. */
  remaining: number;
  /** How many wait in the shared quarantine queue. */
  queued: number;
}

/** A partition that one consumer holds, from fetch to commit. */
export class PartitionState {
  readonly tracker = new OffsetTracker();
  /** Records that were taken and are not finished. */
  unfinishedCount = 0;
  /** Records that were ever taken. */
  begunCount = 0;
  /** False after the partition moved to another member: results of records still in flight are ignored. */
  isActive = true;
  /** Nothing is taken before the opener has checked the partition. */
  isOpened = false;
  /** It was opened at least once: a rebalance must close it, and none of its current records is new. */
  wasOpened = false;
  /** Fetching is paused: too many records are unfinished, or the partition is not opened yet. */
  isPaused = false;
  /** The last committed offset; -1 when there is none. */
  committedOffset = -1;
  /**
   * No record at or above this offset is begun until a commit with a higher limit in its metadata succeeded. So it is
   * known which records a dead process can have begun. Undefined before the first such commit; a count is the bound
   * then.
   */
  beginLimit: number | undefined;
  /** The offset of a record that the next begin limit must cover. */
  blockedOffset: number | undefined;
  quarantine: QuarantineRange | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  /** Whether all quarantined records were taken. */
  get isQuarantineTaken(): boolean {
    const { quarantine } = this;
    return quarantine === undefined || quarantine.remaining === 0 || this.tracker.last + 1 >= quarantine.until;
  }
}
