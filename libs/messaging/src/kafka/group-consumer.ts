import { type Consumer, type EachBatchPayload, type Offsets } from 'kafkajs';
import { type ConsumedRecord, type ConsumeOptions, type Figures, type Subscription } from '../broker.js';
import { type Lane, RecordFlow } from '../record-flow.js';
import { brokerUnavailable, unknownTopic } from '../bus-errors.js';
import { type GroupOffsets, groupOffsets } from './group-offsets.js';
import { type Health } from './health.js';
import { kafkaErrorType, type KafkaClient, UNKNOWN_TOPIC } from './kafka-client.js';
import { readRecord } from './read-record.js';
import { type TopicNames } from './topic-names.js';
import { watchConsumer } from './watch-consumer.js';

/** Progress of this long is committed together, and is done again after a crash, in milliseconds. */
const COMMIT_EVERY_MS = 200;
const FINAL_COMMIT_ATTEMPTS = 5;
/** What partitions hold is asked at most this often, in milliseconds, when somebody wants figures. */
const FIGURES_AGE_MS = 5_000;
const DEFAULT_IN_FLIGHT = 64;
const DEFAULT_DRAIN_MS = 10_000;

/**
 * A member of a group. kafkajs fetches, and its batch function returns at once: its fetch loop waits for the slowest
 * handler of all partitions otherwise. What was fetched lives in a RecordFlow, and its offsets are committed here.
 */
export class GroupConsumer implements Subscription {
  readonly ready: Promise<void>;
  readonly #consumer: Consumer;
  readonly #client: KafkaClient;
  readonly #names: TopicNames;
  readonly #options: ConsumeOptions;
  /** By topic in the cluster and partition: what was last heard of them. */
  readonly #offsets = new Map<string, GroupOffsets>();
  #askedAt = -Infinity;
  readonly #flow: RecordFlow;
  readonly #endWatch: () => void;
  #running: Promise<void> = Promise.resolve();
  #assigned: ReadonlySet<string> = new Set();
  /** kafkajs' commit without its retries: those would repeat old offsets for partitions that have moved meanwhile. */
  #commitOffsets: ((offsets: Offsets) => Promise<void>) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #committing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #rejectReady: (error: Error) => void = () => undefined;

  private constructor(
    client: KafkaClient,
    consumer: Consumer,
    names: TopicNames,
    health: Health,
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ) {
    this.#client = client;
    this.#consumer = consumer;
    this.#names = names;
    this.#options = options;
    this.#flow = new RecordFlow({
      maxInFlight: options.maxInFlight ?? DEFAULT_IN_FLIGHT,
      handle,
      progressed: (lane) => this.#progressed(lane),
    });
    const { GROUP_JOIN, REBALANCING } = consumer.events;
    this.ready = new Promise((resolve, reject) => {
      this.#rejectReady = reject;
      consumer.on(GROUP_JOIN, ({ payload }) => {
        this.#assign(payload.memberAssignment);
        resolve();
      });
    });
    this.ready.catch(() => undefined);
    // Leaves the socket before the request to join again does: what moves away is done twice less often.
    consumer.on(REBALANCING, () => void this.#commit());
    this.#endWatch = watchConsumer(consumer, health, (error) => {
      this.#rejectReady(error);
      options.onFatal(error);
    });
  }

  /**
   * @throws ServiceError INTERNAL when a topic is missing, BROKER_UNAVAILABLE (retriable) when no broker answers.
   */
  static async open(
    client: KafkaClient,
    names: TopicNames,
    health: Health,
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<GroupConsumer> {
    const consumer = client.consumer(names.inCluster(options.group));
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: options.topics.map((topic) => names.inCluster(topic)), fromBeginning: true });
    } catch (error) {
      await consumer.disconnect().catch(() => undefined);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(options.topics.join(' or '), error);
      throw brokerUnavailable('be subscribed to', error);
    }
    const member = new GroupConsumer(client, consumer, names, health, options, handle);
    member.#running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => Promise.resolve(member.#take(payload)),
    });
    // What it can report is a crash, and that is watched.
    member.#running.catch(() => undefined);
    return member;
  }

  figures(): Figures {
    this.#refreshOffsets();
    const finished = new Map<string, number>();
    for (const lane of this.#flow.lanes) {
      const { committable } = lane.tracker;
      if (committable === undefined) continue;
      finished.set(`${this.#names.inCluster(lane.topic)}/${lane.partition}`, committable);
    }
    const lag = [...this.#assigned].flatMap((id) => {
      const known = this.#offsets.get(id);
      if (known === undefined) return [];
      const next = finished.get(id) ?? known.committed ?? known.low;
      return [
        { topic: this.#names.onBus(known.topic), partition: known.partition, lag: Math.max(0, known.high - next) },
      ];
    });
    return this.#flow.figures(lag);
  }

  /** In the background: who asks gets what is known, and the next one the answer. */
  #refreshOffsets(): void {
    const now = performance.now();
    if (now - this.#askedAt < FIGURES_AGE_MS) return;
    this.#askedAt = now;
    const topics = this.#options.topics.map((topic) => this.#names.inCluster(topic));
    void groupOffsets(this.#client, this.#names.inCluster(this.#options.group), topics).then(
      (offsets) => offsets.forEach((known) => this.#offsets.set(`${known.topic}/${known.partition}`, known)),
      // The last answer stands; that the cluster is away shows elsewhere.
      () => undefined,
    );
  }

  #heardOf(topic: string, partition: number, high: number): void {
    const id = `${topic}/${partition}`;
    const known = this.#offsets.get(id) ?? { topic, partition, committed: undefined, low: 0, high };
    this.#offsets.set(id, { ...known, high: Math.max(known.high, high) });
  }

  close(drainMs: number = DEFAULT_DRAIN_MS): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#rejectReady(brokerUnavailable('be joined before the consumer was closed'));
    for (const lane of this.#flow.lanes) this.#pause(lane);
    await this.#flow.drain(drainMs);
    for (let attempt = 0; attempt < FINAL_COMMIT_ATTEMPTS && !(await this.#commit()); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, COMMIT_EVERY_MS));
    }
    clearTimeout(this.#timer);
    this.#endWatch();
    // kafkajs cannot stop a consumer that is still joining: it would go on for ever.
    await this.#running.catch(() => undefined);
    await this.#consumer.disconnect().catch(() => undefined);
  }

  #take(payload: EachBatchPayload): void {
    const { batch } = payload;
    this.#commitOffsets = (offsets) => payload.commitOffsetsIfNecessary(offsets);
    // A fetch that was under way while the partition moved to another member, or while this one closes.
    if (!this.#assigned.has(`${batch.topic}/${batch.partition}`)) return;
    this.#heardOf(batch.topic, batch.partition, Number(batch.highWatermark));
    const topic = this.#names.onBus(batch.topic);
    const lane = this.#flow.lane(topic, batch.partition);
    if (this.#closing !== undefined) return this.#pause(lane);
    for (const message of batch.messages) {
      if (Number(message.offset) <= lane.tracker.last) continue;
      this.#flow.take(lane, readRecord(topic, batch.partition, message));
    }
    payload.resolveOffset(batch.lastOffset());
    if (lane.open > this.#flow.maxOpen) this.#pause(lane);
  }

  #assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    const assigned = new Set<string>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) assigned.add(`${topic}/${partition}`);
    }
    this.#assigned = assigned;
    this.#flow.keep((lane) => assigned.has(`${this.#names.inCluster(lane.topic)}/${lane.partition}`));
    // After a crash kafkajs begins with nothing paused.
    for (const lane of this.#flow.lanes) if (lane.paused) this.#pause(lane);
  }

  #progressed(lane: Lane): void {
    if (lane.paused && this.#closing === undefined && lane.open * 2 <= this.#flow.maxOpen) this.#resume(lane);
    this.#timer ??= setTimeout(() => void this.#commit(), COMMIT_EVERY_MS);
  }

  /** @returns whether nothing is left to commit. Failures are tried again: with a rebalance they pass or do not matter. */
  async #commit(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#committing;
    const dirty = [...this.#flow.lanes].filter((lane) => (lane.tracker.committable ?? -1) > lane.committed);
    const commitOffsets = this.#commitOffsets;
    if (dirty.length === 0 || commitOffsets === undefined) return true;
    const offsets = dirty.map((lane) => ({ lane, offset: lane.tracker.committable ?? 0 }));
    let done = false;
    this.#committing = commitOffsets({
      topics: offsets.map(({ lane, offset }) => ({
        topic: this.#names.inCluster(lane.topic),
        partitions: [{ partition: lane.partition, offset: String(offset) }],
      })),
    }).then(
      () => {
        done = true;
        for (const { lane, offset } of offsets) lane.committed = offset;
      },
      () => {
        this.#timer ??= setTimeout(() => void this.#commit(), COMMIT_EVERY_MS);
      },
    );
    await this.#committing;
    return done;
  }

  #pause(lane: Lane): void {
    lane.paused = true;
    this.#tell(lane, (partitions) => this.#consumer.pause(partitions));
  }

  #resume(lane: Lane): void {
    lane.paused = false;
    this.#tell(lane, (partitions) => this.#consumer.resume(partitions));
  }

  #tell(lane: Lane, say: (partitions: { topic: string; partitions: number[] }[]) => void): void {
    try {
      say([{ topic: this.#names.inCluster(lane.topic), partitions: [lane.partition] }]);
    } catch {
      // Between a crash and the next start there is nobody to tell; the next assignment says it again.
    }
  }
}
