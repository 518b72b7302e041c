import { type Requester } from '@countersign/contracts';
import { type ConsumedRecord, type Figures } from './broker.js';
import { requesterOf } from './envelope.js';
import { KeyQueues } from './key-queues.js';
import { Lane } from './lane.js';

/**
 * Suspicious records share one queue, whatever their keys: they are handled one at a time. One that failed for a reason
 * that passes goes to the queue of its key, so that it holds up no other key.
 */
const CARE = 'care';

interface Entry {
  readonly lane: Lane;
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
  /** Handles a suspicious record; see {@link RecordFlow.suspect}. */
  readonly careful?: (record: ConsumedRecord, lane: Lane) => Promise<void>;
  /** A record of an active lane is finished. */
  readonly progressed: (lane: Lane) => void;
  /** No suspicious record of an active lane waits for its first try, other than behind one of its key. */
  readonly cleared?: (lane: Lane) => void;
}

/**
 * What happens to records between the fetch and the commit, the same for every broker: order per key, parallel across
 * keys, nothing twice while a partition stays, nothing begun after a partition has gone.
 */
export class RecordFlow {
  /** A lane with more open records than this is not fetched from until half of them are finished. */
  readonly maxOpen: number;
  /** How far a promise reaches beyond what was begun, in offsets; see {@link Lane.promised}. */
  readonly window: number;
  readonly #options: RecordFlowOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #queues: KeyQueues<Entry>;

  constructor(options: RecordFlowOptions) {
    this.#options = options;
    this.maxOpen = Math.max(64, options.maxInFlight * 4);
    this.window = this.maxOpen * 2;
    const { handle, careful = handle } = options;
    this.#queues = new KeyQueues({
      maxInFlight: options.maxInFlight,
      requesterOf: ({ requester }) => requester,
      isSlow: ({ slow }) => slow,
      handle: (entry) => (entry.careful ? careful(entry.record, entry.lane) : handle(entry.record)),
      finished: (entry) => this.#finished(entry),
      homeOf: (entry) => homeOf(entry.record),
      moved: (entry) => this.#leaveShared(entry),
    });
  }

  /** @param lag of the partitions, which only the broker knows */
  figures(lag: Figures['lag']): Figures {
    return { inFlight: this.#queues.inFlight, ...this.#queues.figures, lag };
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  find(topic: string, partition: number): Lane | undefined {
    return this.#lanes.get(`${topic}/${partition}`);
  }

  /** The lane of a partition, made when it is new. */
  lane(topic: string, partition: number): Lane {
    const id = `${topic}/${partition}`;
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const made = new Lane(topic, partition);
    this.#lanes.set(id, made);
    return made;
  }

  /**
   * Handles with care what a process that died can have begun: as far as it was promised, or as the count allowed.
   * @param next the offset that is read next
   * @param end the offset after the last record that is there
   */
  suspect(lane: Lane, next: number, end: number): void {
    const until = Math.min(end, lane.promised ?? end);
    const left = lane.promised === undefined ? this.window : Infinity;
    if (until > next) lane.suspicion = { until, left, shared: 0 };
    else this.#options.cleared?.(lane);
  }

  /**
   * Takes a record, unless it is in hand or was finished here already (a rebalance reads from the last commit again).
   * @returns false when the record, and all after it, must be fetched again later: the lane is full
   */
  take(lane: Lane, record: ConsumedRecord): boolean {
    const offset = Number(record.offset);
    if (offset <= lane.tracker.last) return true;
    if (!this.covers(lane, offset)) {
      lane.wanted = offset;
      return false;
    }
    const { suspicion } = lane;
    const careful = suspicion !== undefined && suspicion.left > 0 && offset < suspicion.until;
    if (careful) {
      suspicion.left--;
    } else if (suspicion !== undefined) {
      // Otherwise a record could overtake a suspicious one of its key.
      if (suspicion.shared > 0) return false;
      this.#clear(lane);
    }
    lane.tracker.begin(offset);
    lane.open++;
    lane.begun++;
    const home = homeOf(record);
    const shared = careful && !this.#queues.has(home);
    if (shared) suspicion.shared++;
    const slow = this.#options.isSlow?.(record) === true;
    this.#queues.push(shared ? CARE : home, { lane, record, careful, requester: requesterOf(record), slow, shared });
    return true;
  }

  /** The promise that goes with the next commit of a lane. */
  promise(lane: Lane): number {
    return Math.max(lane.tracker.last + 1, (lane.wanted ?? -1) + 1) + this.window;
  }

  /** Whether it is worth to fetch for a lane that was full. */
  hasRoom(lane: Lane): boolean {
    return (
      lane.opened &&
      lane.open * 2 <= this.maxOpen &&
      (lane.wanted === undefined || this.covers(lane, lane.wanted)) &&
      !(lane.suspicionTaken && lane.suspicion !== undefined && lane.suspicion.shared > 0)
    );
  }

  /** Gives up the lanes that do not pass: their records that were not begun are dropped. */
  keep(passes: (lane: Lane) => boolean): void {
    let revoked = false;
    for (const [id, lane] of this.#lanes) {
      if (passes(lane)) continue;
      lane.active = false;
      revoked = true;
      this.#lanes.delete(id);
    }
    if (revoked) this.#queues.drop((entry) => !entry.lane.active);
  }

  /** Begins nothing any more, and waits at most `limitMs` for what was begun. */
  async drain(limitMs: number): Promise<void> {
    this.#queues.stop();
    await this.#queues.idle(limitMs);
  }

  /** Whether a record may be begun by what was promised. */
  covers(lane: Lane, offset: number): boolean {
    return lane.promised === undefined ? lane.begun < this.window : offset < lane.promised;
  }

  #finished(entry: Entry): void {
    const { lane, record } = entry;
    if (!lane.active) return;
    lane.open--;
    lane.tracker.finish(Number(record.offset));
    if (entry.shared) this.#leaveShared(entry);
    this.#options.progressed(lane);
  }

  #leaveShared(entry: Entry): void {
    entry.shared = false;
    const { lane } = entry;
    if (!lane.active || lane.suspicion === undefined) return;
    lane.suspicion.shared--;
    if (lane.suspicion.shared === 0 && lane.suspicionTaken) this.#clear(lane);
  }

  #clear(lane: Lane): void {
    lane.suspicion = undefined;
    this.#options.cleared?.(lane);
  }
}

const homeOf = ({ topic, partition, key }: ConsumedRecord): string => `${topic}/${partition}/${key}`;
