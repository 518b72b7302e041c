import { type Requester } from '@countersign/contracts';
import { type ConsumedRecord, type ConsumerStats } from '../broker.js';
import { requesterOf } from '../envelope/envelope.js';
import { KeyQueues } from './key-queues.js';
import { PartitionState } from './partition-state.js';

/**
 * Key of the queue that quarantined records share, whatever their keys, so they are handled one at a time. A record
 * that fails with a retriable error moves to the queue of its own key, so it delays no other key.
 */
const QUARANTINE_QUEUE = 'quarantine';

interface Entry {
  readonly state: PartitionState;
  readonly record: ConsumedRecord;
  readonly isQuarantined: boolean;
  readonly requester: Requester;
  readonly isSlow: boolean;
  /** The record waits in the shared quarantine queue. */
  isInSharedQueue: boolean;
}

export interface RecordFlowOptions {
  readonly maxInFlight: number;
  /** See `ConsumeOptions.isUnordered`. */
  readonly isUnordered?: boolean | undefined;
  /** See `ConsumeOptions.isSlow`. */
  readonly isSlow?: ((record: ConsumedRecord) => boolean) | undefined;
  readonly handle: (record: ConsumedRecord) => Promise<void>;
  /** Handles a quarantined record; see {@link RecordFlow.quarantine}. */
  readonly handleQuarantined?: (record: ConsumedRecord, state: PartitionState) => Promise<void>;
  /** A record of an active partition is finished. */
  readonly onProgress: (state: PartitionState) => void;
  /** Each quarantined record of an active partition was attempted, or waits behind one of its key. */
  readonly onQuarantineCleared?: (state: PartitionState) => void;
}

/**
 * Handles records between fetch and commit, the same for every broker: order per key, parallel across keys, no record
 * twice while a partition stays, no record begun after a partition has moved.
 */
export class RecordFlow {
  /** A partition with more unfinished records than this is not fetched from until half of them are finished. */
  readonly maxOpen: number;
  /** How far a begin limit reaches beyond the begun records, in offsets; see {@link PartitionState.beginLimit}. */
  readonly beginWindow: number;
  readonly #options: RecordFlowOptions;
  readonly #states = new Map<string, PartitionState>();
  readonly #queues: KeyQueues<Entry>;

  constructor(options: RecordFlowOptions) {
    this.#options = options;
    this.maxOpen = Math.max(64, options.maxInFlight * 4);
    this.beginWindow = this.maxOpen * 2;
    const { handle, handleQuarantined = handle } = options;
    this.#queues = new KeyQueues({
      maxInFlight: options.maxInFlight,
      requesterOf: ({ requester }) => requester,
      isSlow: ({ isSlow }) => isSlow,
      handle: (entry) => (entry.isQuarantined ? handleQuarantined(entry.record, entry.state) : handle(entry.record)),
      onFinished: (entry) => this.#onFinished(entry),
      retryKeyOf: (entry) => this.#keyQueueOf(entry.record),
      onMoved: (entry) => this.#leaveQuarantineQueue(entry),
    });
  }

  /** @param lag of the partitions, which only the broker knows */
  stats(lag: ConsumerStats['lag']): ConsumerStats {
    return { inFlight: this.#queues.inFlight, ...this.#queues.stats, lag };
  }

  get partitions(): Iterable<PartitionState> {
    return this.#states.values();
  }

  find(topic: string, partition: number): PartitionState | undefined {
    return this.#states.get(`${topic}/${partition}`);
  }

  /** The state of a partition, created when it is new. */
  partition(topic: string, partition: number): PartitionState {
    const id = `${topic}/${partition}`;
    const known = this.#states.get(id);
    if (known !== undefined) return known;
    const created = new PartitionState(topic, partition);
    this.#states.set(id, created);
    return created;
  }

  /**
   * Quarantines the records that a dead process can have begun: up to the begin limit, or the count that is allowed
   * without one.
   * @param next the next offset to read
   * @param end the offset after the last record in the partition
   */
  quarantine(state: PartitionState, next: number, end: number): void {
    const until = Math.min(end, state.beginLimit ?? end);
    const remaining = state.beginLimit === undefined ? this.beginWindow : Infinity;
    if (until > next) state.quarantine = { until, remaining, queued: 0 };
    else this.#options.onQuarantineCleared?.(state);
  }

  /**
   * Takes a record, unless it is in progress or was finished here already (a rebalance reads from the last commit
   * again).
   * @returns false when the partition is full: this record and all later ones must be fetched again
   */
  take(state: PartitionState, record: ConsumedRecord): boolean {
    const offset = Number(record.offset);
    if (offset <= state.tracker.last) return true;
    if (!this.isCovered(state, offset)) {
      state.blockedOffset = offset;
      return false;
    }
    const { quarantine } = state;
    const isQuarantined = quarantine !== undefined && quarantine.remaining > 0 && offset < quarantine.until;
    if (isQuarantined) {
      quarantine.remaining--;
    } else if (quarantine !== undefined) {
      // Waits for the quarantine, or a new record could overtake a quarantined one of its key.
      if (quarantine.queued > 0) return false;
      this.#endQuarantine(state);
    }
    state.tracker.begin(offset);
    state.unfinishedCount++;
    state.begunCount++;
    const keyQueue = this.#keyQueueOf(record);
    const isInSharedQueue = isQuarantined && !this.#queues.has(keyQueue);
    if (isInSharedQueue) quarantine.queued++;
    const isSlow = this.#options.isSlow?.(record) === true;
    this.#queues.push(isInSharedQueue ? QUARANTINE_QUEUE : keyQueue, {
      state,
      record,
      isQuarantined,
      requester: requesterOf(record),
      isSlow,
      isInSharedQueue,
    });
    return true;
  }

  /** The begin limit for the next commit of a partition. */
  nextBeginLimit(state: PartitionState): number {
    return Math.max(state.tracker.last + 1, (state.blockedOffset ?? -1) + 1) + this.beginWindow;
  }

  /** Whether a full partition has enough room to fetch again. */
  hasRoom(state: PartitionState): boolean {
    return (
      state.isOpened &&
      state.unfinishedCount * 2 <= this.maxOpen &&
      (state.blockedOffset === undefined || this.isCovered(state, state.blockedOffset)) &&
      !(state.isQuarantineTaken && state.quarantine !== undefined && state.quarantine.queued > 0)
    );
  }

  /** Gives up the partitions that are not kept; their records that were not begun are dropped. */
  revokeExcept(isKept: (state: PartitionState) => boolean): void {
    let revoked = false;
    for (const [id, state] of this.#states) {
      if (isKept(state)) continue;
      state.isActive = false;
      revoked = true;
      this.#states.delete(id);
    }
    if (revoked) this.#queues.drop((entry) => !entry.state.isActive);
  }

  /** Begins no further record, and waits at most `limitMs` for records in progress. */
  async drain(limitMs: number): Promise<void> {
    this.#queues.stop();
    await this.#queues.idle(limitMs);
  }

  /** Whether the begin limit, or the count that is allowed without one, covers a record. */
  isCovered(state: PartitionState, offset: number): boolean {
    return state.beginLimit === undefined ? state.begunCount < this.beginWindow : offset < state.beginLimit;
  }

  /** Records of one queue are handled one after the other. */
  #keyQueueOf({ topic, partition, key, offset }: ConsumedRecord): string {
    return `${topic}/${partition}/${this.#options.isUnordered === true ? offset : key}`;
  }

  #onFinished(entry: Entry): void {
    const { state, record } = entry;
    if (!state.isActive) return;
    state.unfinishedCount--;
    state.tracker.finish(Number(record.offset));
    if (entry.isInSharedQueue) this.#leaveQuarantineQueue(entry);
    this.#options.onProgress(state);
  }

  #leaveQuarantineQueue(entry: Entry): void {
    entry.isInSharedQueue = false;
    const { state } = entry;
    if (!state.isActive || state.quarantine === undefined) return;
    state.quarantine.queued--;
    if (state.quarantine.queued === 0 && state.isQuarantineTaken) this.#endQuarantine(state);
  }

  #endQuarantine(state: PartitionState): void {
    state.quarantine = undefined;
    this.#options.onQuarantineCleared?.(state);
  }
}
