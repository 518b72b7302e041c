import { randomBytes, randomUUID } from 'node:crypto';
import { CLOCK, type TopicSpec } from '@countersign/contracts';
import {
  type AcceptedLoss,
  Broker,
  type BusRecord,
  type ConsumedRecord,
  type ConsumeOptions,
  type Follower,
  type ReplyAddress,
  type Subscription,
} from '../broker.js';
import { brokerUnavailable } from '../request-reply/bus-errors.js';
import { acceptLoss } from './admin/accept-loss.js';
import { BatchSender } from './producer/batch-sender.js';
import { BrokerClock } from './broker-clock.js';
import { GroupConsumer } from './consumer/group-consumer.js';
import { BrokerHealth } from './health.js';
import { KafkaClient, type KafkaOptions } from './kafka-client.js';
import { readNewestRecords, readRecordAt } from './consumer/read-record.js';
import { createReplyTopic, isReplyTopic, removeAbandonedReplyTopics, replyTopicName } from './admin/reply-topics.js';
import { defaultsOf, endOffsets, ensureTopics, type TopicDefaults } from './admin/topic-admin.js';
import { TopicNames } from './admin/topic-names.js';
import { TopicReader } from './consumer/topic-reader.js';
import { Mutex } from '../consumption/poison-quarantine.js';

const LOOP_BACK = 'loop-back';
const LOOP_BACK_LIMIT_MS = 20_000;

/** The broker on Apache Kafka. Connects on first use. */
export class KafkaBroker extends Broker {
  readonly #client: KafkaClient;
  readonly #names: TopicNames;
  readonly #health = new BrokerHealth();
  readonly #clock = new BrokerClock();
  readonly #topicDefaults: TopicDefaults;
  readonly #warned = new Set<string>();
  readonly #records: BatchSender;
  /** A sender of their own: a deleted reply topic must delay only replies. */
  readonly #replies: BatchSender;
  readonly #quarantineMutex = new Mutex();
  readonly #open = new Set<{ close(drainMs?: number): Promise<void> }>();

  constructor(options: KafkaOptions) {
    super();
    this.#client = new KafkaClient(options);
    this.#names = new TopicNames(options.topicPrefix ?? '');
    this.#topicDefaults = {
      ...defaultsOf(options),
      warn: (line) => {
        // Services in one process ensure the same topics; log each line once.
        if (!this.#warned.has(line)) options.log?.(line);
        this.#warned.add(line);
      },
    };
    const sender = (): BatchSender =>
      new BatchSender({
        producer: () => this.#client.producer(),
        health: this.#health,
        clock: this.#clock,
        clusterName: (topic) => this.#names.inCluster(topic),
        listTopics: async () => new Set(await this.#client.withAdmin((admin) => admin.listTopics())),
        isEphemeral: isReplyTopic,
      });
    this.#records = sender();
    this.#replies = sender();
  }

  override ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return ensureTopics(this.#client, this.#names, topics, this.#topicDefaults);
  }

  override async send(records: readonly BusRecord[]): Promise<void> {
    const replies = records.filter((record) => isReplyTopic(record.topic));
    if (replies.length === 0) return this.#records.send(records);
    if (replies.length === records.length) return this.#replies.send(records);
    const others = records.filter((record) => !isReplyTopic(record.topic));
    await Promise.all([this.#records.send(others), this.#replies.send(replies)]);
  }

  override async consume(
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<Subscription> {
    await this.#synchronizeClock();
    const context = {
      client: this.#client,
      names: this.#names,
      health: this.#health,
      quarantineMutex: this.#quarantineMutex,
    };
    const member = await GroupConsumer.open(context, options, handle);
    return this.#track(member, { ready: member.ready, stats: () => member.stats() });
  }

  override async follow(
    topic: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<Follower> {
    const ends = await endOffsets(this.#client, this.#names, topic);
    const group = this.#names.inCluster(`follow.${topic}.${randomUUID()}`);
    const reader = await TopicReader.open(this.#client, group, this.#names, this.#health, {
      topic,
      ends,
      handle,
      onFatal,
    });
    return this.#track(reader, { caughtUp: reader.caughtUp });
  }

  override async openReplyAddress(
    owner: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<ReplyAddress> {
    const topic = replyTopicName(owner);
    const name = this.#names.inCluster(topic);
    await createReplyTopic(this.#client, name, this.#topicDefaults.replication).catch((error: unknown) => {
      throw brokerUnavailable('create a reply address', error);
    });
    const nonce = randomBytes(16).toString('hex');
    let seen: () => void = () => undefined;
    const loopBack = new Promise<void>((resolve) => (seen = resolve));
    const reader = await TopicReader.open(this.#client, name, this.#names, this.#health, {
      topic,
      ends: new Map(),
      onFatal,
      handle: (record) => {
        if (record.headers['type'] !== LOOP_BACK) handle(record);
        else if (record.key === nonce) seen();
      },
    });
    const address = this.#track(reader, { topic }, () =>
      this.#client.withAdmin((admin) => admin.deleteTopics({ topics: [name] })).catch(() => undefined),
    );
    try {
      await this.#replies.send([{ topic, key: nonce, value: Buffer.alloc(0), headers: { type: LOOP_BACK } }]);
      await withLimit(loopBack, LOOP_BACK_LIMIT_MS);
    } catch (error) {
      await address.close();
      throw brokerUnavailable('carry a record to the reply address and back', error);
    }
    // Cleanup for dead processes; when it fails, the next process that opens an address repeats it.
    await removeAbandonedReplyTopics(this.#client, this.#names, Date.now()).catch(() => undefined);
    return address;
  }

  override read(topic: string, partition: number, offset: string): Promise<ConsumedRecord | undefined> {
    return readRecordAt(this.#client, this.#names, { topic, partition, offset });
  }

  override readNewest(topic: string, count: number): Promise<ConsumedRecord[]> {
    return readNewestRecords(this.#client, this.#names, topic, count);
  }

  override acceptLoss(group: string, dryRun: boolean): Promise<AcceptedLoss[]> {
    return acceptLoss(this.#client, this.#names, group, dryRun);
  }

  override now(): number {
    return this.#clock.now();
  }

  override healthy(): boolean {
    return this.#health.healthy();
  }

  override async close(): Promise<void> {
    await Promise.all([...this.#open].map((opened) => opened.close()));
    await Promise.all([this.#records.close(), this.#replies.close()]);
  }

  /**
   * Runs before the first command: with a wrong clock a consumer would drop live commands, or handle expired ones. Beside other
   * records: Kafka refuses those of a process that does not know yet that its clock is ahead, with all others of their batch.
   */
  async #synchronizeClock(): Promise<void> {
    if (this.#clock.isSynchronized) return;
    await this.ensureTopics([CLOCK]);
    await this.#replies.send([{ topic: CLOCK.name, key: '', value: Buffer.alloc(0), headers: {} }]);
  }

  /** Tracks what was opened, so that closing the broker closes it too. */
  #track<T extends object>(
    opened: { close(drainMs?: number): Promise<void> },
    view: T,
    afterClose: () => Promise<void> = () => Promise.resolve(),
  ): T & { close(drainMs?: number): Promise<void> } {
    let closing: Promise<void> | undefined;
    const tracked = {
      ...view,
      close: (drainMs?: number): Promise<void> => {
        closing ??= opened
          .close(drainMs)
          .then(afterClose)
          .finally(() => this.#open.delete(tracked));
        return closing;
      },
    };
    this.#open.add(tracked);
    return tracked;
  }
}

async function withLimit(promise: Promise<void>, limitMs: number): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    limit = setTimeout(() => reject(new Error(`not seen within ${limitMs} ms`)), limitMs);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(limit));
}
