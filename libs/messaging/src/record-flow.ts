import { type ConsumedRecord, type Figures } from './broker.js';
import { KeyQueues } from './key-queues.js';
import { OffsetTracker } from './offset-tracker.js';

/** A partition in the hands of one consumer, from fetch to commit. */
export class Lane {
  readonly tracker = new OffsetTracker();
  /** Records that were taken and are not finished. */
  open = 0;
  /** False once the partition moved to another member: what is still in flight counts for nothing. */
  active = true;
  /** Fetching was stopped because too much is open. */
  paused = false;
  /** What was committed last. */
  committed = -1;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}
}

interface Entry {
  readonly lane: Lane;
  readonly record: ConsumedRecord;
}

export interface RecordFlowOptions {
  readonly maxInFlight: number;
  readonly handle: (record: ConsumedRecord) => Promise<void>;
  /** A record of an active lane is finished. */
  readonly progressed: (lane: Lane) => void;
}

/**
 * What happens to records between the fetch and the commit, the same for every broker: order per key, parallel across
 * keys, nothing twice while a partition stays, nothing begun after a partition has gone.
 */
export class RecordFlow {
  /** A lane with more open records than this is not fetched from until half of them are finished. */
  readonly maxOpen: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #queues: KeyQueues<Entry>;

  constructor(options: RecordFlowOptions) {
    this.maxOpen = Math.max(64, options.maxInFlight * 4);
    this.#queues = new KeyQueues({
      maxInFlight: options.maxInFlight,
      handle: (entry) => options.handle(entry.record),
      finished: ({ lane, record }) => {
        if (!lane.active) return;
        lane.open--;
        lane.tracker.finish(Number(record.offset));
        options.progressed(lane);
      },
    });
  }

  /** @param lag of the partitions, which only the broker knows */
  figures(lag: Figures['lag']): Figures {
    return { inFlight: this.#queues.inFlight, ...this.#queues.figures, lag };
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The lane of a partition, opened when it is new. */
  lane(topic: string, partition: number): Lane {
    const id = `${topic}/${partition}`;
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const opened = new Lane(topic, partition);
    this.#lanes.set(id, opened);
    return opened;
  }

  /** Takes a record, unless it is in hand or was finished here already (a rebalance reads from the last commit again). */
  take(lane: Lane, record: ConsumedRecord): void {
    if (!lane.tracker.begin(Number(record.offset))) return;
    lane.open++;
    this.#queues.push(`${lane.topic}/${lane.partition}/${record.key}`, { lane, record });
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
}
