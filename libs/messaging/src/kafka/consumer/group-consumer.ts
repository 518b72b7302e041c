import { type Consumer, type EachBatchPayload, type Offsets } from 'kafkajs';
import { type ConsumedRecord, type ConsumeOptions, type ConsumerStats, type Subscription } from '../../broker.js';
import { QuarantineHandler, type Mutex } from '../../consumption/poison-quarantine.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { RecordFlow } from '../../consumption/record-flow.js';
import { brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { type GroupOffsets } from './group-offsets.js';
import { type BrokerHealth } from '../health.js';
import { kafkaErrorType, type KafkaClient, UNKNOWN_TOPIC } from '../kafka-client.js';
import { LagMeter } from './lag-meter.js';
import { PartitionOpener } from './partition-opener.js';
import { toConsumedRecord } from './read-record.js';
import { type TopicNames } from '../admin/topic-names.js';
import { watchConsumer } from './consumer-watchdog.js';

/** Interval of commits, in milliseconds. Progress since the last commit is repeated after a crash. */
const COMMIT_EVERY_MS = 200;
/** The same for records that nobody waits for: a longer quarantine after a crash delays no caller. */
const COMMIT_GATHERED_EVERY_MS = 1_000;
/** A consumer that gathers takes the records of all partitions of a fetch at once, so that it pauses once. */
const MAX_PARTITIONS_AT_ONCE = 64;
const FINAL_COMMIT_ATTEMPTS = 5;
const DEFAULT_IN_FLIGHT = 64;
const DEFAULT_DRAIN_MS = 10_000;

/** What the consumers of one broker share. */
export interface ConsumerContext {
  readonly client: KafkaClient;
  readonly names: TopicNames;
  readonly health: BrokerHealth;
  /** Quarantined records of all consumers of the process are handled one at a time. */
  readonly quarantineMutex: Mutex;
}

/**
 * A member of a group. kafkajs fetches, and its batch function returns at once, because its fetch loop would otherwise
 * wait for the slowest handler of all partitions. Fetched records are in a RecordFlow, and their offsets are committed
 * here.
 */
export class GroupConsumer implements Subscription {
  readonly ready: Promise<void>;
  readonly #consumer: Consumer;
  readonly #names: TopicNames;
  readonly #flow: RecordFlow;
  readonly #opener: PartitionOpener;
  readonly #meter: LagMeter;
  readonly #stopWatching: () => void;
  #running: Promise<void> = Promise.resolve();
  #generation = 0;
  /** The commit of kafkajs without its retries, which would repeat old offsets for partitions that have moved since. */
  #commitOffsets: ((offsets: Offsets) => Promise<void>) | undefined;
  readonly #commitEveryMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** The pause of {@link ConsumeOptions.gatherMs} in progress, and what ends it. */
  #gathering: Promise<void> | undefined;
  #endGathering: () => void = () => undefined;
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
    this.#commitEveryMs = options.gatherMs === undefined ? COMMIT_EVERY_MS : COMMIT_GATHERED_EVERY_MS;
    this.#meter = new LagMeter(client, names, options);
    const { poisonHandling } = options;
    const quarantine =
      poisonHandling &&
      new QuarantineHandler(names.inCluster(options.group), poisonHandling, handle, context.quarantineMutex);
    this.#flow = new RecordFlow({
      maxInFlight: options.maxInFlight ?? DEFAULT_IN_FLIGHT,
      isUnordered: options.isUnordered,
      isSlow: options.isSlow,
      handle,
      ...(quarantine && {
        handleQuarantined: (record, state) =>
          quarantine.run(record, () => state.isActive && this.#closing === undefined),
      }),
      onProgress: (state) => this.#onProgress(state),
      onQuarantineCleared: (state) => this.#opener.cleared(state),
    });
    this.#opener = new PartitionOpener({
      client,
      names,
      consume: options,
      onOffsets: (offsets) => this.#meter.update(offsets),
      onOpened: (state, offsets, isSuspected) => this.#onOpened(state, offsets, isSuspected),
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
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#onAssigned(payload.memberAssignment));
    // Sent before the request to join again, so fewer records of moving partitions are handled twice.
    consumer.on(consumer.events.REBALANCING, () => {
      void this.#commit();
      void this.#opener.release([...this.#flow.partitions]);
    });
    const topics = options.topics.map((topic) => names.inCluster(topic));
    this.#stopWatching = watchConsumer(consumer, {
      health: context.health,
      silenceMs: client.silenceMs,
      reachable: () => client.reaches(topics),
      onFatal: (error) => this.#fatal(error),
    });
  }

  /** @throws ServiceError INTERNAL when a topic is missing, BROKER_UNAVAILABLE (retriable) when no broker answers */
  static async open(
    context: ConsumerContext,
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<GroupConsumer> {
    const { client, names } = context;
    const consumer = client.consumer(names.inCluster(options.group), { gathers: options.gatherMs !== undefined });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: options.topics.map((topic) => names.inCluster(topic)), fromBeginning: true });
    } catch (error) {
      await consumer.disconnect().catch(() => undefined);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(options.topics.join(' or '), error);
      throw brokerUnavailable('be subscribed to', error);
    }
    const member = new GroupConsumer(consumer, context, options, handle);
    const { gatherMs } = options;
    member.#running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: gatherMs === undefined ? 1 : MAX_PARTITIONS_AT_ONCE,
      eachBatch: async (payload) => {
        member.#takeBatch(payload);
        // kafkajs fetches again when all partitions of this fetch are done.
        if (gatherMs !== undefined) await member.#gather(gatherMs);
      },
    });
    // It can only report a crash, and the watchdog observes that.
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
    for (const state of this.#flow.partitions) this.#pause(state);
    this.#endGathering();
    await this.#flow.drain(drainMs);
    for (let attempt = 0; attempt < FINAL_COMMIT_ATTEMPTS && !(await this.#commit()); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, COMMIT_EVERY_MS));
    }
    clearTimeout(this.#timer);
    await this.#opener.release([...this.#flow.partitions]);
    this.#stopWatching();
    // kafkajs cannot stop a consumer that is still joining; it would continue forever.
    await this.#running.catch(() => undefined);
    await this.#consumer.disconnect().catch(() => undefined);
  }

  #takeBatch(payload: EachBatchPayload): void {
    const { batch } = payload;
    this.#commitOffsets = (offsets) => payload.commitOffsetsIfNecessary(offsets);
    this.#meter.updateEnd(batch.topic, batch.partition, Number(batch.highWatermark));
    const topic = this.#names.onBus(batch.topic);
    const state = this.#flow.find(topic, batch.partition);
    // Ignores a fetch that was in progress when the partition moved or the consumer closed.
    if (state === undefined) return;
    if (this.#closing !== undefined || !state.isOpened) return this.#pause(state);
    let last: string | undefined;
    for (const message of batch.messages) {
      if (!this.#flow.take(state, toConsumedRecord(topic, batch.partition, message))) break;
      last = message.offset;
    }
    if (last !== undefined) payload.resolveOffset(last);
    const isCut = last !== batch.messages.at(-1)?.offset;
    if (isCut || state.unfinishedCount > this.#flow.maxOpen) this.#pause(state);
    if (isCut) void this.#commit();
  }

  /** One pause for all partitions of a fetch. `close` ends it. */
  async #gather(ms: number): Promise<void> {
    if (this.#closing !== undefined) return;
    this.#gathering ??= new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#endGathering(), ms);
      this.#endGathering = () => {
        clearTimeout(timer);
        this.#gathering = undefined;
        resolve();
      };
    });
    await this.#gathering;
  }

  #onAssigned(assignment: Readonly<Record<string, readonly number[]>>): void {
    const states = new Set<PartitionState>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) states.add(this.#flow.partition(this.#names.onBus(topic), partition));
    }
    this.#flow.revokeExcept((state) => states.has(state));
    // After a crash kafkajs starts without paused partitions.
    for (const state of states) {
      state.isOpened = false;
      this.#pause(state);
    }
    const generation = ++this.#generation;
    const isCurrent = (): boolean => generation === this.#generation && this.#closing === undefined;
    this.#opener.open([...states], isCurrent).then(() => {
      if (isCurrent()) this.#resolveReady();
    }, this.#fatal);
  }

  #onOpened(state: PartitionState, offsets: GroupOffsets | undefined, isSuspected: boolean): void {
    // Another member may have committed since: a commit never goes back.
    state.committedOffset = Math.max(state.committedOffset, offsets?.committed ?? -1);
    if (!state.wasOpened && offsets !== undefined) {
      state.beginLimit = Number(offsets.metadata) || undefined;
      if (isSuspected) this.#flow.quarantine(state, offsets.committed ?? offsets.low, offsets.high);
    }
    state.isOpened = true;
    state.wasOpened = true;
    if (this.#flow.hasRoom(state)) this.#resume(state);
  }

  #onProgress(state: PartitionState): void {
    if (state.isPaused && this.#closing === undefined && this.#flow.hasRoom(state)) this.#resume(state);
    this.#timer ??= setTimeout(() => void this.#commit(), this.#commitEveryMs);
  }

  /**
   * @returns whether everything is committed. A failed commit is repeated; after a rebalance the failure no longer
   * matters.
   */
  async #commit(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#committing;
    const commitOffsets = this.#commitOffsets;
    const dirty = [...this.#flow.partitions].flatMap((state) => {
      const offset = state.tracker.committable ?? state.committedOffset;
      const isDue =
        offset > state.committedOffset ||
        (state.blockedOffset !== undefined && !this.#flow.isCovered(state, state.blockedOffset));
      return isDue && offset >= 0 ? [{ state, offset, beginLimit: this.#flow.nextBeginLimit(state) }] : [];
    });
    if (dirty.length === 0 || commitOffsets === undefined) return true;
    let isCommitted = false;
    this.#committing = commitOffsets({
      topics: dirty.map(({ state, offset, beginLimit }) => ({
        topic: this.#names.inCluster(state.topic),
        partitions: [{ partition: state.partition, offset: String(offset), metadata: String(beginLimit) }],
      })),
    }).then(
      () => {
        isCommitted = true;
        for (const { state, offset, beginLimit } of dirty) {
          state.committedOffset = offset;
          state.beginLimit = beginLimit;
          if (state.isPaused && this.#closing === undefined && this.#flow.hasRoom(state)) this.#resume(state);
        }
      },
      () => {
        this.#timer ??= setTimeout(() => void this.#commit(), COMMIT_EVERY_MS);
      },
    );
    await this.#committing;
    return isCommitted;
  }

  #pause(state: PartitionState): void {
    state.isPaused = true;
    this.#setFetching(state, (partitions) => this.#consumer.pause(partitions));
  }

  #resume(state: PartitionState): void {
    state.isPaused = false;
    this.#setFetching(state, (partitions) => this.#consumer.resume(partitions));
  }

  #setFetching(state: PartitionState, apply: (partitions: { topic: string; partitions: number[] }[]) => void): void {
    try {
      apply([{ topic: this.#names.inCluster(state.topic), partitions: [state.partition] }]);
    } catch {
      // Between a crash and the restart there is no consumer to pause; the next assignment does it again.
    }
  }
}
