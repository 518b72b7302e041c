import { randomUUID } from 'node:crypto';
import { type ServiceError } from '@countersign/runtime';
import { backoffMs } from '../../consumption/backoff.js';
import { type ConsumeOptions } from '../../broker.js';
import { type HeldPartition, type Holder } from '../../consumption/deliveries.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { Mutex } from '../../consumption/mutex.js';
import { type GroupOffsets, groupOffsets, recordsLostError } from './group-offsets.js';
import { type KafkaClient } from '../kafka-client.js';
import { type TopicNames } from '../admin/topic-names.js';

/**
 * A leader that was just elected may not know yet how far the log is safe: the end may seem to lie lower, for as long as a
 * replica that has stopped counts as in sync (`replica.lag.time.max.ms`, 30 s by default). Counted from the first such
 * answer: until the election there is none.
 */
const SETTLE_MS = 40_000;

export interface OpenerOptions {
  readonly client: KafkaClient;
  readonly names: TopicNames;
  readonly consume: ConsumeOptions;
  /** Told what the cluster says of each partition. */
  readonly heard: (offsets: GroupOffsets) => void;
  /** A partition may be taken from. `suspected`: somebody died who had it. */
  readonly opened: (lane: PartitionState, offsets: GroupOffsets | undefined, suspected: boolean) => void;
}

/** Looks at partitions before anything of them is handled: is every record there, and did a process die over them. */
export class PartitionOpener {
  readonly #options: OpenerOptions;
  readonly #holder: Holder;
  /** Suspicious partitions of which not all was tried. They stay marked, so that whoever gets them is told. */
  readonly #suspected = new Set<Id>();
  /** Marks are set and taken away in the order in which partitions come and go. */
  readonly #turns = new Mutex();

  constructor(options: OpenerOptions) {
    this.#options = options;
    const group = options.names.inCluster(options.consume.group);
    this.#holder = { group, id: randomUUID() };
  }

  /**
   * Opens what is not open, when it can be: with the cluster or the database away, partitions wait. Returns when all is
   * open, or `current` no longer holds: the next assignment has come, or the consumer closes.
   * @throws ServiceError RECORDS_LOST
   */
  async open(lanes: readonly PartitionState[], current: () => boolean): Promise<void> {
    if (lanes.length === 0) return;
    // What this member had before the rebalance, it goes on with at once: its own marks are all that is missing.
    const kept = lanes.filter((lane) => lane.wasOpened);
    const fresh = lanes.filter((lane) => !lane.wasOpened);
    const [offsets] = await Promise.all([this.#look(lanes, current), this.#hold(kept, new Map(), current)]);
    if (offsets !== undefined) await this.#hold(fresh, offsets, current);
  }

  /** Before a rebalance, and at the end: what is not suspicious was left in order. */
  async release(lanes: readonly PartitionState[]): Promise<void> {
    const clean = lanes.filter((lane) => !this.#suspected.has(idOf(lane)));
    const { poisonHandling: care } = this.#options.consume;
    if (care === undefined || clean.length === 0) return;
    const release = (): Promise<void> => care.deliveries.release(this.#holder, clean.map(named));
    // Marks that stay make the next holder careful: that is slow, and safe.
    await this.#turns.run(release).catch(() => undefined);
  }

  cleared(lane: PartitionState): void {
    this.#suspected.delete(idOf(lane));
  }

  /** Asks the cluster until it answers. */
  async #look(lanes: readonly PartitionState[], current: () => boolean): Promise<Map<Id, GroupOffsets> | undefined> {
    const { client, names, consume } = this.#options;
    const topics = consume.topics.map((topic) => names.inCluster(topic));
    let until: number | undefined;
    return patiently(current, this.#waiting, async () => {
      // Before the cluster is asked: what goes on meanwhile reads on.
      const read = new Map(lanes.map((lane) => [lane, lane.tracker.last + 1]));
      const answer = await groupOffsets(client, this.#holder.group, topics);
      const known = new Map(
        answer.map((offsets) => [`${names.onBus(offsets.topic)}/${offsets.partition}` as const, offsets]),
      );
      for (const lane of lanes) {
        const offsets = known.get(idOf(lane));
        if (offsets === undefined) throw new Error('the cluster does not know the partition yet');
        const lost = recordsLostError(consume.group, names.onBus(offsets.topic), offsets, read.get(lane) ?? 0);
        if (lost === undefined) continue;
        if (lost.passes && performance.now() < (until ??= performance.now() + SETTLE_MS)) throw lost.error;
        // A partition that has moved on is the business of who has it now.
        if (current()) throw new Fatal(lost.error);
      }
      for (const offsets of known.values()) this.#options.heard(offsets);
      return known;
    });
  }

  /** Marks the partitions as held, until the database takes it. */
  async #hold(
    lanes: readonly PartitionState[],
    offsets: ReadonlyMap<Id, GroupOffsets>,
    current: () => boolean,
  ): Promise<void> {
    if (lanes.length === 0) return;
    const found = await this.#mark(lanes, offsets, current);
    if (found === undefined) return;
    // Also when the next assignment has come: the mark that told it is overwritten.
    for (const lane of lanes) if (!lane.wasOpened && found.has(idOf(lane))) this.#suspected.add(idOf(lane));
    if (!current()) return;
    for (const lane of lanes) this.#options.opened(lane, offsets.get(idOf(lane)), this.#suspected.has(idOf(lane)));
  }

  async #mark(
    lanes: readonly PartitionState[],
    offsets: ReadonlyMap<Id, GroupOffsets>,
    current: () => boolean,
  ): Promise<ReadonlySet<Id> | undefined> {
    const { poisonHandling: care } = this.#options.consume;
    if (care === undefined) return new Set();
    const partitions = lanes.map((lane) => {
      const known = offsets.get(idOf(lane));
      const next = known?.committed ?? known?.low ?? Math.max(0, lane.committedOffset);
      return { ...named(lane), next, end: known?.high ?? Number.MAX_SAFE_INTEGER };
    });
    const open = (): Promise<HeldPartition[]> => care.deliveries.open(this.#holder, partitions);
    const found = await patiently(current, this.#waiting, () => this.#turns.run(open));
    return found === undefined ? undefined : new Set(found.map(idOf));
  }

  readonly #waiting = (error: unknown): void => this.#options.consume.poisonHandling?.onWaiting(error);
}

type Id = `${string}/${number}`;

const idOf = ({ topic, partition }: HeldPartition): Id => `${topic}/${partition}`;

const named = ({ topic, partition }: HeldPartition): HeldPartition => ({ topic, partition });

/** An error that no patience mends. */
class Fatal extends Error {
  constructor(readonly fault: ServiceError) {
    super(fault.message);
  }
}

async function patiently<T>(
  current: () => boolean,
  waiting: (error: unknown) => void,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (let failures = 1; current(); failures++) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Fatal) throw error.fault;
      if (current()) waiting(error);
      await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)).unref());
    }
  }
  return undefined;
}
