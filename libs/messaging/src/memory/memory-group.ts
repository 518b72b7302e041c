import { type ConsumedRecord, type ConsumeOptions, type ConsumerStats, type Subscription } from '../broker.js';
import { type PartitionState } from '../consumption/partition-state.js';
import { RecordFlow } from '../consumption/record-flow.js';
import { type MemoryTopic } from './memory-topic.js';

const DEFAULT_IN_FLIGHT = 64;
const DEFAULT_DRAIN_MS = 10_000;

/** A consumer group: assigns the partitions of its topics to its members. */
export class MemoryGroup {
  readonly #members: MemoryMember[] = [];

  constructor(readonly name: string) {}

  join(member: MemoryMember): void {
    this.#members.push(member);
    this.#rebalance();
  }

  leave(member: MemoryMember): void {
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    this.#rebalance();
  }

  /** Revokes before it assigns, so that a partition never has two readers. */
  #rebalance(): void {
    const shares = new Map(this.#members.map((member) => [member, new Set<string>()]));
    for (const topic of new Set(this.#members.flatMap((member) => member.topics))) {
      const candidates = this.#members.filter((member) => member.topics.includes(topic));
      topic.logs.forEach((_, partition) => {
        const assignee = candidates[partition % candidates.length];
        if (assignee !== undefined) shares.get(assignee)?.add(partitionId(topic.spec.name, partition));
      });
    }
    for (const [member, share] of shares) member.revokeExcept(share);
    for (const [member, share] of shares) member.assign(share);
  }
}

const partitionId = (topic: string, partition: number): string => `${topic}/${partition}`;

/** One consumer of a group. */
export class MemoryMember implements Subscription {
  readonly ready = Promise.resolve();
  readonly #flow: RecordFlow;
  readonly #unsubscribes: (() => void)[];
  /** The next offset to read of each assigned partition. */
  readonly #positions = new Map<string, number>();
  #fetching = false;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly group: MemoryGroup,
    readonly topics: readonly MemoryTopic[],
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ) {
    for (const topic of topics) for (const log of topic.logs) log.register(group.name);
    this.#flow = new RecordFlow({
      maxInFlight: options.maxInFlight ?? DEFAULT_IN_FLIGHT,
      isUnordered: options.isUnordered,
      isSlow: options.isSlow,
      handle,
      onProgress: (state) => this.#onProgress(state),
    });
    this.#unsubscribes = topics.map((topic) => topic.onAppend(() => this.#fetchSoon()));
    group.join(this);
  }

  stats(): ConsumerStats {
    const lag = this.topics.flatMap((topic) =>
      topic.logs.flatMap((log, partition) =>
        this.#positions.has(partitionId(topic.spec.name, partition))
          ? [{ topic: topic.spec.name, partition, lag: log.end - log.committed(this.group.name) }]
          : [],
      ),
    );
    return this.#flow.stats(lag);
  }

  revokeExcept(share: ReadonlySet<string>): void {
    for (const id of this.#positions.keys()) if (!share.has(id)) this.#positions.delete(id);
    this.#flow.revokeExcept((state) => share.has(partitionId(state.topic, state.partition)));
  }

  assign(share: ReadonlySet<string>): void {
    for (const topic of this.topics) {
      topic.logs.forEach((log, partition) => {
        const id = partitionId(topic.spec.name, partition);
        if (share.has(id) && !this.#positions.has(id)) this.#positions.set(id, log.committed(this.group.name));
      });
    }
    this.#fetchSoon();
  }

  close(drainMs: number = DEFAULT_DRAIN_MS): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    await this.#flow.drain(drainMs);
    // Results of records still in flight are ignored from here on; another member handles them again.
    this.revokeExcept(new Set());
    this.group.leave(this);
  }

  #onProgress(state: PartitionState): void {
    const log = this.topics.find((topic) => topic.spec.name === state.topic)?.logs[state.partition];
    log?.commit(this.group.name, state.tracker.committable ?? 0);
    if (state.isPaused && state.unfinishedCount * 2 <= this.#flow.maxOpen) {
      state.isPaused = false;
      this.#fetchSoon();
    }
  }

  /** Deferred: a handler never runs inside the call that sent its record. */
  #fetchSoon(): void {
    if (this.#fetching || this.#closing !== undefined) return;
    this.#fetching = true;
    setImmediate(() => {
      this.#fetching = false;
      this.#fetch();
    });
  }

  #fetch(): void {
    if (this.#closing !== undefined) return;
    for (const topic of this.topics) {
      topic.logs.forEach((log, partition) => {
        const id = partitionId(topic.spec.name, partition);
        const position = this.#positions.get(id);
        if (position === undefined) return;
        const state = this.#flow.partition(topic.spec.name, partition);
        // Nothing survives the process, so begun records need no limit.
        state.beginLimit = Infinity;
        if (state.isPaused) return;
        const records = log.read(position, this.#flow.maxOpen);
        for (const record of records) this.#flow.take(state, record);
        const last = records.at(-1);
        if (last === undefined) return;
        this.#positions.set(id, Number(last.offset) + 1);
        state.isPaused = state.unfinishedCount >= this.#flow.maxOpen;
        if (!state.isPaused) this.#fetchSoon();
      });
    }
  }
}
