import { type Requester } from '@countersign/contracts';
import { type ConsumedRecord, type ConsumerStats } from '../broker.js';
import { requesterOf } from '../envelope/envelope.js';
import { KeyQueues } from './key-queues.js';
import { PartitionState } from './partition-state.js';

/**
 * Suspicious records share one queue, whatever their keys: they are handled one at a time. One that failed for a reason
 * that passes goes to the queue of its key, so that it holds up no other key.
 */
const CARE = 'care';

interface Entry {
  readonly lane: PartitionState;
  readonly record: ConsumedRecord;
  readonly careful: boolean;
  readonly requester: Requester;
  readonly slow: boolean;
  /** It waits in the queue of all suspicious records. */
  shared: boolean;
}

export interface RecordFlowOptions {
  readonly maxInFlight: number;
  /** See `ConsumeOptions.isSlow`. */
  readonly isSlow?: ((record: ConsumedRecord) => boolean) | undefined;
  readonly handle: (record: ConsumedRecord) => Promise<void>;
  /** Handles a suspicious record; see {@link RecordFlow.quarantine}. */
  readonly handleQuarantined?: (record: ConsumedRecord, lane: PartitionState) => Promise<void>;
  /** A record of an active lane is finished. */
  readonly onProgress: (lane: PartitionState) => void;
  /** No suspicious record of an active lane waits for its first try, other than behind one of its key. */
  readonly onQuarantineCleared?: (lane: PartitionState) => void;
}

/**
 * What happens to records between the fetch and the commit, the same for every broker: order per key, parallel across
 * keys, nothing twice while a partition stays, nothing begun after a partition has gone.
 */
export class RecordFlow {
  /** A lane with more open records than this is not fetched from until half of them are finished. */
  readonly maxOpen: number;
  /** How far a promise reaches beyond what was begun, in offsets; see {@link PartitionState.beginLimit}. */
  readonly window: number;
  readonly #options: RecordFlowOptions;
  readonly #lanes = new Map<string, PartitionState>();
  readonly #queues: KeyQueues<Entry>;

  constructor(options: RecordFlowOptions) {
    this.#options = options;
    this.maxOpen = Math.max(64, options.maxInFlight * 4);
    this.window = this.maxOpen * 2;
    const { handle, handleQuarantined: careful = handle } = options;
    this.#queues = new KeyQueues({
      maxInFlight: options.maxInFlight,
      requesterOf: ({ requester }) => requester,
      isSlow: ({ slow }) => slow,
      handle: (entry) => (entry.careful ? careful(entry.record, entry.lane) : handle(entry.record)),
      onFinished: (entry) => this.#finished(entry),
      retryKeyOf: (entry) => homeOf(entry.record),
      onMoved: (entry) => this.#leaveShared(entry),
    });
  }

  /** @param lag of the partitions, which only the broker knows */
  stats(lag: ConsumerStats['lag']): ConsumerStats {
    return { inFlight: this.#queues.inFlight, ...this.#queues.stats, lag };
  }

  get partitions(): Iterable<PartitionState> {
    return this.#lanes.values();
  }

  find(topic: string, partition: number): PartitionState | undefined {
    return this.#lanes.get(`${topic}/${partition}`);
  }

  /** The lane of a partition, made when it is new. */
  partition(topic: string, partition: number): PartitionState {
    const id = `${topic}/${partition}`;
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const made = new PartitionState(topic, partition);
    this.#lanes.set(id, made);
    return made;
  }

  /**
   * Handles with care what a process that died can have begun: as far as it was promised, or as the count allowed.
   * @param next the offset that is read next
   * @param end the offset after the last record that is there
   */
  quarantine(lane: PartitionState, next: number, end: number): void {
    const until = Math.min(end, lane.beginLimit ?? end);
    const left = lane.beginLimit === undefined ? this.window : Infinity;
    if (until > next) lane.quarantine = { until, remaining: left, queued: 0 };
    else this.#options.onQuarantineCleared?.(lane);
  }

  /**
   * Takes a record, unless it is in hand or was finished here already (a rebalance reads from the last commit again).
   * @returns false when the record, and all after it, must be fetched again later: the lane is full
   */
  take(lane: PartitionState, record: ConsumedRecord): boolean {
    const offset = Number(record.offset);
    if (offset <= lane.tracker.last) return true;
    if (!this.isCovered(lane, offset)) {
      lane.blockedOffset = offset;
      return false;
    }
    const { quarantine: suspicion } = lane;
    const careful = suspicion !== undefined && suspicion.remaining > 0 && offset < suspicion.until;
    if (careful) {
      suspicion.remaining--;
    } else if (suspicion !== undefined) {
      // Otherwise a record could overtake a suspicious one of its key.
      if (suspicion.queued > 0) return false;
      this.#clear(lane);
    }
    lane.tracker.begin(offset);
    lane.openCount++;
    lane.begunCount++;
    const home = homeOf(record);
    const shared = careful && !this.#queues.has(home);
    if (shared) suspicion.queued++;
    const slow = this.#options.isSlow?.(record) === true;
    this.#queues.push(shared ? CARE : home, { lane, record, careful, requester: requesterOf(record), slow, shared });
    return true;
  }

  /** The promise that goes with the next commit of a lane. */
  nextBeginLimit(lane: PartitionState): number {
    return Math.max(lane.tracker.last + 1, (lane.blockedOffset ?? -1) + 1) + this.window;
  }

  /** Whether it is worth to fetch for a lane that was full. */
  hasRoom(lane: PartitionState): boolean {
    return (
      lane.isOpened &&
      lane.openCount * 2 <= this.maxOpen &&
      (lane.blockedOffset === undefined || this.isCovered(lane, lane.blockedOffset)) &&
      !(lane.isQuarantineTaken && lane.quarantine !== undefined && lane.quarantine.queued > 0)
    );
  }

  /** Gives up the lanes that do not pass: their records that were not begun are dropped. */
  keep(passes: (lane: PartitionState) => boolean): void {
    let revoked = false;
    for (const [id, lane] of this.#lanes) {
      if (passes(lane)) continue;
      lane.isActive = false;
      revoked = true;
      this.#lanes.delete(id);
    }
    if (revoked) this.#queues.drop((entry) => !entry.lane.isActive);
  }

  /** Begins nothing any more, and waits at most `limitMs` for what was begun. */
  async drain(limitMs: number): Promise<void> {
    this.#queues.stop();
    await this.#queues.idle(limitMs);
  }

  /** Whether a record may be begun by what was promised. */
  isCovered(lane: PartitionState, offset: number): boolean {
    return lane.beginLimit === undefined ? lane.begunCount < this.window : offset < lane.beginLimit;
  }

  #finished(entry: Entry): void {
    const { lane, record } = entry;
    if (!lane.isActive) return;
    lane.openCount--;
    lane.tracker.finish(Number(record.offset));
    if (entry.shared) this.#leaveShared(entry);
    this.#options.onProgress(lane);
  }

  #leaveShared(entry: Entry): void {
    entry.shared = false;
    const { lane } = entry;
    if (!lane.isActive || lane.quarantine === undefined) return;
    lane.quarantine.queued--;
    if (lane.quarantine.queued === 0 && lane.isQuarantineTaken) this.#clear(lane);
  }

  #clear(lane: PartitionState): void {
    lane.quarantine = undefined;
    this.#options.onQuarantineCleared?.(lane);
  }
}

const homeOf = ({ topic, partition, key }: ConsumedRecord): string => `${topic}/${partition}/${key}`;
