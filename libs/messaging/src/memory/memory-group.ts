import { type ConsumedRecord, type ConsumeOptions, type ConsumerStats, type Subscription } from '../broker.js';
import { type PartitionState } from '../consumption/partition-state.js';
import { RecordFlow } from '../consumption/record-flow.js';
import { type MemoryTopic } from './memory-topic.js';

const DEFAULT_IN_FLIGHT = 64;
const DEFAULT_DRAIN_MS = 10_000;

/** A consumer group: shares out the partitions of its topics among its members. */
export class MemoryGroup {
  readonly #members: MemoryMember[] = [];

  constructor(readonly name: string) {}

  join(member: MemoryMember): void {
    this.#members.push(member);
    this.#share();
  }

  leave(member: MemoryMember): void {
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    this.#share();
  }

  /** Those who lose a partition are told first, so that it never has two readers. */
  #share(): void {
    const shares = new Map(this.#members.map((member) => [member, new Set<string>()]));
    for (const topic of new Set(this.#members.flatMap((member) => member.topics))) {
      const takers = this.#members.filter((member) => member.topics.includes(topic));
      topic.logs.forEach((_, partition) => {
        const taker = takers[partition % takers.length];
        if (taker !== undefined) shares.get(taker)?.add(laneId(topic.spec.name, partition));
      });
    }
    for (const [member, share] of shares) member.giveUp(share);
    for (const [member, share] of shares) member.takeOver(share);
  }
}

const laneId = (topic: string, partition: number): string => `${topic}/${partition}`;

/** One consumer of a group. */
export class MemoryMember implements Subscription {
  readonly ready = Promise.resolve();
  readonly #flow: RecordFlow;
  readonly #endings: (() => void)[];
  /** The next offset to read of each partition that this member has. */
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
      isSlow: options.isSlow,
      handle,
      onProgress: (lane) => this.#progressed(lane),
    });
    this.#endings = topics.map((topic) => topic.onAppend(() => this.#fetchSoon()));
    group.join(this);
  }

  stats(): ConsumerStats {
    const lag = this.topics.flatMap((topic) =>
      topic.logs.flatMap((log, partition) =>
        this.#positions.has(laneId(topic.spec.name, partition))
          ? [{ topic: topic.spec.name, partition, lag: log.end - log.committed(this.group.name) }]
          : [],
      ),
    );
    return this.#flow.stats(lag);
  }

  giveUp(share: ReadonlySet<string>): void {
    for (const id of this.#positions.keys()) if (!share.has(id)) this.#positions.delete(id);
    this.#flow.keep((lane) => share.has(laneId(lane.topic, lane.partition)));
  }

  takeOver(share: ReadonlySet<string>): void {
    for (const topic of this.topics) {
      topic.logs.forEach((log, partition) => {
        const id = laneId(topic.spec.name, partition);
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
    for (const end of this.#endings) end();
    await this.#flow.drain(drainMs);
    // What is still in flight counts for nothing from here on, and goes to another member.
    this.giveUp(new Set());
    this.group.leave(this);
  }

  #progressed(lane: PartitionState): void {
    const log = this.topics.find((topic) => topic.spec.name === lane.topic)?.logs[lane.partition];
    log?.commit(this.group.name, lane.tracker.committable ?? 0);
    if (lane.isPaused && lane.openCount * 2 <= this.#flow.maxOpen) {
      lane.isPaused = false;
      this.#fetchSoon();
    }
  }

  /** Not at once: a handler never runs inside the call that sent its record. */
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
        const id = laneId(topic.spec.name, partition);
        const position = this.#positions.get(id);
        if (position === undefined) return;
        const lane = this.#flow.partition(topic.spec.name, partition);
        // Nothing outlives the process here: nobody has to know what it has begun.
        lane.beginLimit = Infinity;
        if (lane.isPaused) return;
        const records = log.read(position, this.#flow.maxOpen);
        for (const record of records) this.#flow.take(lane, record);
        const last = records.at(-1);
        if (last === undefined) return;
        this.#positions.set(id, Number(last.offset) + 1);
        lane.isPaused = lane.openCount >= this.#flow.maxOpen;
        if (!lane.isPaused) this.#fetchSoon();
      });
    }
  }
}
