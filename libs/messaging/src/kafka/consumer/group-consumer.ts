import { type Consumer, type EachBatchPayload, type Offsets } from 'kafkajs';
import { type ConsumedRecord, type ConsumeOptions, type ConsumerStats, type Subscription } from '../../broker.js';
import { QuarantineHandler } from '../../consumption/poison-quarantine.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { RecordFlow } from '../../consumption/record-flow.js';
import { type Mutex } from '../../consumption/mutex.js';
import { brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { type GroupOffsets } from './group-offsets.js';
import { type BrokerHealth } from '../health.js';
import { kafkaErrorType, type KafkaClient, UNKNOWN_TOPIC } from '../kafka-client.js';
import { LagMeter } from './lag-meter.js';
import { PartitionOpener } from './partition-opener.js';
import { readRecord } from './read-record.js';
import { type TopicNames } from '../admin/topic-names.js';
import { watchConsumer } from './consumer-watchdog.js';

/** Progress of this long is committed together, and is done again after a crash, in milliseconds. */
const COMMIT_EVERY_MS = 200;
const FINAL_COMMIT_ATTEMPTS = 5;
const DEFAULT_IN_FLIGHT = 64;
const DEFAULT_DRAIN_MS = 10_000;

/** What the consumers of one broker share. */
export interface ConsumerContext {
  readonly client: KafkaClient;
  readonly names: TopicNames;
  readonly health: BrokerHealth;
  /** Suspicious records of all consumers take turns. */
  readonly turns: Mutex;
}

/**
 * A member of a group. kafkajs fetches, and its batch function returns at once: its fetch loop waits for the slowest
 * handler of all partitions otherwise. What was fetched lives in a RecordFlow, and its offsets are committed here.
 */
export class GroupConsumer implements Subscription {
  readonly ready: Promise<void>;
  readonly #consumer: Consumer;
  readonly #names: TopicNames;
  readonly #flow: RecordFlow;
  readonly #opener: PartitionOpener;
  readonly #meter: LagMeter;
  readonly #endWatch: () => void;
  #running: Promise<void> = Promise.resolve();
  #generation = 0;
  /** kafkajs' commit without its retries: those would repeat old offsets for partitions that have moved meanwhile. */
  #commitOffsets: ((offsets: Offsets) => Promise<void>) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #committing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #resolveReady: () => void = () => undefined;
  #rejectReady: (error: Error) => void = () => undefined;
  readonly #fatal: (error: Error) => void;

  private constructor(
    consumer: Consumer,
    context: ConsumerContext,
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ) {
    const { client, names } = context;
    this.#consumer = consumer;
    this.#names = names;
    this.#meter = new LagMeter(client, names, options);
    const { poisonHandling: care } = options;
    const careful = care && new QuarantineHandler(names.inCluster(options.group), care, handle, context.turns);
    this.#flow = new RecordFlow({
      maxInFlight: options.maxInFlight ?? DEFAULT_IN_FLIGHT,
      isSlow: options.isSlow,
      handle,
      ...(careful && {
        handleQuarantined: (record, lane) => careful.run(record, () => lane.isActive && this.#closing === undefined),
      }),
      onProgress: (lane) => this.#progressed(lane),
      onQuarantineCleared: (lane) => this.#opener.cleared(lane),
    });
    this.#opener = new PartitionOpener({
      client,
      names,
      consume: options,
      heard: (offsets) => this.#meter.heard(offsets),
      opened: (lane, offsets, suspected) => this.#opened(lane, offsets, suspected),
    });
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.ready.catch(() => undefined);
    this.#fatal = (error) => {
      this.#rejectReady(error);
      if (this.#closing === undefined) options.onFatal(error);
    };
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#assign(payload.memberAssignment));
    // Leaves the socket before the request to join again does: what moves away is done twice less often.
    consumer.on(consumer.events.REBALANCING, () => {
      void this.#commit();
      void this.#opener.release([...this.#flow.partitions]);
    });
    const topics = options.topics.map((topic) => names.inCluster(topic));
    this.#endWatch = watchConsumer(consumer, {
      health: context.health,
      silenceMs: client.silenceMs,
      reachable: () => client.reaches(topics),
      onFatal: (error) => this.#fatal(error),
    });
  }

  /**
   * @throws ServiceError INTERNAL when a topic is missing, BROKER_UNAVAILABLE (retriable) when no broker answers.
   */
  static async open(
    context: ConsumerContext,
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<GroupConsumer> {
    const { client, names } = context;
    const consumer = client.consumer(names.inCluster(options.group));
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: options.topics.map((topic) => names.inCluster(topic)), fromBeginning: true });
    } catch (error) {
      await consumer.disconnect().catch(() => undefined);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(options.topics.join(' or '), error);
      throw brokerUnavailable('be subscribed to', error);
    }
    const member = new GroupConsumer(consumer, context, options, handle);
    member.#running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => Promise.resolve(member.#take(payload)),
    });
    // What it can report is a crash, and that is watched.
    member.#running.catch(() => undefined);
    return member;
  }

  stats(): ConsumerStats {
    return this.#flow.stats(this.#meter.lag(this.#flow.partitions));
  }

  close(drainMs: number = DEFAULT_DRAIN_MS): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#rejectReady(brokerUnavailable('be joined before the consumer was closed'));
    for (const lane of this.#flow.partitions) this.#pause(lane);
    await this.#flow.drain(drainMs);
    for (let attempt = 0; attempt < FINAL_COMMIT_ATTEMPTS && !(await this.#commit()); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, COMMIT_EVERY_MS));
    }
    clearTimeout(this.#timer);
    await this.#opener.release([...this.#flow.partitions]);
    this.#endWatch();
    // kafkajs cannot stop a consumer that is still joining: it would go on for ever.
    await this.#running.catch(() => undefined);
    await this.#consumer.disconnect().catch(() => undefined);
  }

  #take(payload: EachBatchPayload): void {
    const { batch } = payload;
    this.#commitOffsets = (offsets) => payload.commitOffsetsIfNecessary(offsets);
    this.#meter.ends(batch.topic, batch.partition, Number(batch.highWatermark));
    const topic = this.#names.onBus(batch.topic);
    const lane = this.#flow.find(topic, batch.partition);
    // A fetch that was under way while the partition moved to another member, or while this one closes.
    if (lane === undefined) return;
    if (this.#closing !== undefined || !lane.isOpened) return this.#pause(lane);
    let last: string | undefined;
    for (const message of batch.messages) {
      if (!this.#flow.take(lane, readRecord(topic, batch.partition, message))) break;
      last = message.offset;
    }
    if (last !== undefined) payload.resolveOffset(last);
    const cut = last !== batch.messages.at(-1)?.offset;
    if (cut || lane.openCount > this.#flow.maxOpen) this.#pause(lane);
    if (cut) void this.#commit();
  }

  #assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    const lanes = new Set<PartitionState>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) lanes.add(this.#flow.partition(this.#names.onBus(topic), partition));
    }
    this.#flow.keep((lane) => lanes.has(lane));
    // After a crash kafkajs begins with nothing paused.
    for (const lane of lanes) {
      lane.isOpened = false;
      this.#pause(lane);
    }
    const generation = ++this.#generation;
    const current = (): boolean => generation === this.#generation && this.#closing === undefined;
    this.#opener.open([...lanes], current).then(() => {
      if (current()) this.#resolveReady();
    }, this.#fatal);
  }

  #opened(lane: PartitionState, offsets: GroupOffsets | undefined, suspected: boolean): void {
    // Others may have gone on with it meanwhile: a commit never goes back.
    lane.committedOffset = Math.max(lane.committedOffset, offsets?.committed ?? -1);
    if (!lane.wasOpened && offsets !== undefined) {
      lane.beginLimit = Number(offsets.metadata) || undefined;
      if (suspected) this.#flow.quarantine(lane, offsets.committed ?? offsets.low, offsets.high);
    }
    lane.isOpened = true;
    lane.wasOpened = true;
    if (this.#flow.hasRoom(lane)) this.#resume(lane);
  }

  #progressed(lane: PartitionState): void {
    if (lane.isPaused && this.#closing === undefined && this.#flow.hasRoom(lane)) this.#resume(lane);
    this.#timer ??= setTimeout(() => void this.#commit(), COMMIT_EVERY_MS);
  }

  /** @returns whether nothing is left to commit. Failures are tried again: with a rebalance they pass or do not matter. */
  async #commit(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#committing;
    const commitOffsets = this.#commitOffsets;
    const dirty = [...this.#flow.partitions].flatMap((lane) => {
      const offset = lane.tracker.committable ?? lane.committedOffset;
      const due =
        offset > lane.committedOffset ||
        (lane.blockedOffset !== undefined && !this.#flow.isCovered(lane, lane.blockedOffset));
      return due && offset >= 0 ? [{ lane, offset, promised: this.#flow.nextBeginLimit(lane) }] : [];
    });
    if (dirty.length === 0 || commitOffsets === undefined) return true;
    let done = false;
    this.#committing = commitOffsets({
      topics: dirty.map(({ lane, offset, promised }) => ({
        topic: this.#names.inCluster(lane.topic),
        partitions: [{ partition: lane.partition, offset: String(offset), metadata: String(promised) }],
      })),
    }).then(
      () => {
        done = true;
        for (const { lane, offset, promised } of dirty) {
          lane.committedOffset = offset;
          lane.beginLimit = promised;
          if (lane.isPaused && this.#closing === undefined && this.#flow.hasRoom(lane)) this.#resume(lane);
        }
      },
      () => {
        this.#timer ??= setTimeout(() => void this.#commit(), COMMIT_EVERY_MS);
      },
    );
    await this.#committing;
    return done;
  }

  #pause(lane: PartitionState): void {
    lane.isPaused = true;
    this.#tell(lane, (partitions) => this.#consumer.pause(partitions));
  }

  #resume(lane: PartitionState): void {
    lane.isPaused = false;
    this.#tell(lane, (partitions) => this.#consumer.resume(partitions));
  }

  #tell(lane: PartitionState, say: (partitions: { topic: string; partitions: number[] }[]) => void): void {
    try {
      say([{ topic: this.#names.inCluster(lane.topic), partitions: [lane.partition] }]);
    } catch {
      // Between a crash and the next start there is nobody to tell; the next assignment says it again.
    }
  }
}
