import { OffsetTracker } from './offset-tracker.js';

/** Records that a process which died may have begun: they are handled with care. */
export interface QuarantineRange {
  /** Offset after the last of them. */
  readonly until: number;
  /** How many are still to come, at most. */
  remaining: number;
  /** How many wait in the queue that they share. */
  queued: number;
}

/** A partition in the hands of one consumer, from fetch to commit. */
export class PartitionState {
  readonly tracker = new OffsetTracker();
  /** Records that were taken and are not finished. */
  openCount = 0;
  /** Records that were ever taken. */
  begunCount = 0;
  /** False once the partition moved to another member: what is still in flight counts for nothing. */
  isActive = true;
  /** Nothing is taken before the partition was looked at. */
  isOpened = false;
  /** It was opened once: a rebalance has to close it, and nothing of what it holds is new. */
  wasOpened = false;
  /** Fetching was stopped: too much is open, or the lane is not opened yet. */
  isPaused = false;
  /** What was committed last; -1: nothing. */
  committedOffset = -1;
  /**
   * No record from this offset on is begun before a commit has said so: its metadata holds the number. Undefined before
   * the first one, when a count is the bound. So it is known what a process that died can have begun.
   */
  beginLimit: number | undefined;
  /** A record that the next promise must cover. */
  blockedOffset: number | undefined;
  quarantine: QuarantineRange | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  /** Whether all suspicious records were taken. */
  get isQuarantineTaken(): boolean {
    const suspicion = this.quarantine;
    return suspicion === undefined || suspicion.remaining === 0 || this.tracker.last + 1 >= suspicion.until;
  }
}
