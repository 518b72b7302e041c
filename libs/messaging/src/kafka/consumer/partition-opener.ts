import { randomUUID } from 'node:crypto';
import { type ServiceError } from '@countersign/runtime';
import { backoffMs } from '../../consumption/backoff.js';
import { type ConsumeOptions } from '../../broker.js';
import { type HeldPartition, type Holder } from '../../consumption/deliveries.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { Mutex } from '../../consumption/poison-quarantine.js';
import { type GroupOffsets, groupOffsets, recordsLostError } from './group-offsets.js';
import { type KafkaClient } from '../kafka-client.js';
import { type TopicNames } from '../admin/topic-names.js';

export interface OpenerOptions {
  readonly client: KafkaClient;
  readonly names: TopicNames;
  readonly consume: ConsumeOptions;
  /** Called with the offsets of each partition. */
  readonly onOffsets: (offsets: GroupOffsets) => void;
  /** Called when records of a partition may be taken. `isSuspected`: the last holder died. */
  readonly onOpened: (state: PartitionState, offsets: GroupOffsets | undefined, isSuspected: boolean) => void;
}

/**
 * Checks partitions before any of their records is handled: was a record lost, and did a process die while it held
 * them?
 */
export class PartitionOpener {
  readonly #options: OpenerOptions;
  readonly #holder: Holder;
  /** Partitions with an unfinished quarantine. They keep their marks, so that the next holder quarantines them too. */
  readonly #suspected = new Set<Id>();
  /** Keeps the order of marking and releasing. */
  readonly #mutex = new Mutex();

  constructor(options: OpenerOptions) {
    this.#options = options;
    const group = options.names.inCluster(options.consume.group);
    this.#holder = { group, id: randomUUID() };
  }

  /**
   * Opens all partitions, waiting while the cluster or the database cannot be reached. Returns when all are open, or
   * when `isCurrent` returns false: the next assignment has come, or the consumer closes.
   * @throws ServiceError RECORDS_LOST
   */
  async open(states: readonly PartitionState[], isCurrent: () => boolean): Promise<void> {
    if (states.length === 0) return;
    // Partitions that this member held before the rebalance continue at once: only their marks are missing.
    const retained = states.filter((state) => state.wasOpened);
    const fresh = states.filter((state) => !state.wasOpened);
    const [offsets] = await Promise.all([
      this.#fetchOffsets(states, isCurrent),
      this.#markAndOpen(retained, new Map(), isCurrent),
    ]);
    if (offsets !== undefined) await this.#markAndOpen(fresh, offsets, isCurrent);
  }

  /** Releases partitions before a rebalance and on close, except those in quarantine. */
  async release(states: readonly PartitionState[]): Promise<void> {
    const clean = states.filter((state) => !this.#suspected.has(idOf(state)));
    const { poisonHandling } = this.#options.consume;
    if (poisonHandling === undefined || clean.length === 0) return;
    const release = (): Promise<void> => poisonHandling.deliveries.release(this.#holder, clean.map(partitionOf));
    // Marks that remain make the next holder start a quarantine: slow, but safe.
    await this.#mutex.run(release).catch(() => undefined);
  }

  cleared(state: PartitionState): void {
    this.#suspected.delete(idOf(state));
  }

  /** Repeats the request until the cluster answers. */
  async #fetchOffsets(
    states: readonly PartitionState[],
    isCurrent: () => boolean,
  ): Promise<Map<Id, GroupOffsets> | undefined> {
    const { client, names, consume } = this.#options;
    const topics = consume.topics.map((topic) => names.inCluster(topic));
    let until: number | undefined;
    return retryWhileCurrent(isCurrent, this.#onWaiting, async () => {
      // Read before the request, because open partitions continue to read during it.
      const read = new Map(states.map((state) => [state, state.tracker.last + 1]));
      const response = await groupOffsets(client, this.#holder.group, topics);
      const known = new Map(
        response.map((offsets) => [`${names.onBus(offsets.topic)}/${offsets.partition}` as const, offsets]),
      );
      for (const state of states) {
        const offsets = known.get(idOf(state));
        if (offsets === undefined) throw new Error('the cluster does not know the partition yet');
        const lost = recordsLostError(consume.group, names.onBus(offsets.topic), offsets, read.get(state) ?? 0);
        if (lost === undefined) continue;
        // Measured from the first such answer, because there is none before the election.
        if (lost.isTransient && performance.now() < (until ??= performance.now() + client.electionMs)) throw lost.error;
        // A partition that has moved is checked by its new holder.
        if (isCurrent()) throw new NonRetriableError(lost.error);
      }
      for (const offsets of known.values()) this.#options.onOffsets(offsets);
      return known;
    });
  }

  /** Marks the partitions as held, repeating until the database answers, then opens them. */
  async #markAndOpen(
    states: readonly PartitionState[],
    offsets: ReadonlyMap<Id, GroupOffsets>,
    isCurrent: () => boolean,
  ): Promise<void> {
    if (states.length === 0) return;
    const found = await this.#mark(states, offsets, isCurrent);
    if (found === undefined) return;
    // Also when the next assignment has come: the new mark has overwritten the one that showed it.
    for (const state of states) if (!state.wasOpened && found.has(idOf(state))) this.#suspected.add(idOf(state));
    if (!isCurrent()) return;
    for (const state of states)
      this.#options.onOpened(state, offsets.get(idOf(state)), this.#suspected.has(idOf(state)));
  }

  async #mark(
    states: readonly PartitionState[],
    offsets: ReadonlyMap<Id, GroupOffsets>,
    isCurrent: () => boolean,
  ): Promise<ReadonlySet<Id> | undefined> {
    const { poisonHandling } = this.#options.consume;
    if (poisonHandling === undefined) return new Set();
    const partitions = states.map((state) => {
      const known = offsets.get(idOf(state));
      const next = known?.committed ?? known?.low ?? Math.max(0, state.committedOffset);
      return { ...partitionOf(state), next, end: known?.high ?? Number.MAX_SAFE_INTEGER };
    });
    const open = (): Promise<HeldPartition[]> => poisonHandling.deliveries.open(this.#holder, partitions);
    const found = await retryWhileCurrent(isCurrent, this.#onWaiting, () => this.#mutex.run(open));
    return found === undefined ? undefined : new Set(found.map(idOf));
  }

  readonly #onWaiting = (error: unknown): void => this.#options.consume.poisonHandling?.onWaiting(error);
}

type Id = `${string}/${number}`;

const idOf = ({ topic, partition }: HeldPartition): Id => `${topic}/${partition}`;

const partitionOf = ({ topic, partition }: HeldPartition): HeldPartition => ({ topic, partition });

/** Wraps an error that retries cannot resolve. */
class NonRetriableError extends Error {
  constructor(readonly fault: ServiceError) {
    super(fault.message);
  }
}

async function retryWhileCurrent<T>(
  isCurrent: () => boolean,
  waiting: (error: unknown) => void,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (let failures = 1; isCurrent(); failures++) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NonRetriableError) throw error.fault;
      if (isCurrent()) waiting(error);
      await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)).unref());
    }
  }
  return undefined;
}
