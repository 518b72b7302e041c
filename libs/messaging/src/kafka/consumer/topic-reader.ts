import { type Consumer } from 'kafkajs';
import { type ConsumedRecord, type Follower } from '../../broker.js';
import { brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { type BrokerHealth } from '../health.js';
import { kafkaErrorType, type KafkaClient, UNKNOWN_TOPIC } from '../kafka-client.js';
import { toConsumedRecord } from './read-record.js';
import { type TopicNames } from '../admin/topic-names.js';
import { watchConsumer } from './consumer-watchdog.js';

export interface TopicReaderOptions {
  readonly topic: string;
  /** The offset after the last record of each partition at the start; the reader has caught up there. */
  readonly ends: ReadonlyMap<number, number>;
  readonly handle: (record: ConsumedRecord) => void;
  readonly onFatal: (error: Error) => void;
}

/** Reads a whole topic from its beginning, in a group of its own, and commits nothing. */
export class TopicReader implements Follower {
  readonly caughtUp: Promise<void>;
  readonly #consumer: Consumer;
  readonly #stopWatching: () => void;
  /** Partitions not read to their end yet, with that end. */
  readonly #unreached: Map<number, number>;
  /**
   * The last offset read of each partition: without commits every rebalance starts at the beginning, and records must
   * not be delivered twice.
   */
  readonly #lastRead = new Map<number, number>();
  #onCaughtUp: () => void = () => undefined;
  #rejectCaughtUp: (error: Error) => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(
    client: KafkaClient,
    consumer: Consumer,
    names: TopicNames,
    health: BrokerHealth,
    private readonly options: TopicReaderOptions,
  ) {
    this.#consumer = consumer;
    this.#unreached = new Map([...options.ends].filter(([, end]) => end > 0));
    this.caughtUp = new Promise((resolve, reject) => {
      this.#onCaughtUp = resolve;
      this.#rejectCaughtUp = reject;
    });
    this.caughtUp.catch(() => undefined);
    if (this.#unreached.size === 0) this.#onCaughtUp();
    const fatal = (error: Error): void => {
      this.#rejectCaughtUp(error);
      options.onFatal(error);
    };
    this.#stopWatching = watchConsumer(consumer, {
      health,
      silenceMs: client.silenceMs,
      reachable: () => client.reaches([names.inCluster(options.topic)]),
      onFatal: fatal,
    });
    this.#running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => {
        const { batch } = payload;
        const read = this.#lastRead.get(batch.partition) ?? -1;
        for (const message of batch.messages) {
          if (Number(message.offset) <= read || this.#closing !== undefined) continue;
          try {
            options.handle(toConsumedRecord(names.onBus(batch.topic), batch.partition, message));
          } catch (error) {
            fatal(error instanceof Error ? error : new Error('the reader threw a value that is not an Error'));
          }
        }
        const last = Number(batch.lastOffset());
        payload.resolveOffset(batch.lastOffset());
        if (last > read) this.#lastRead.set(batch.partition, last);
        this.#advance(batch.partition, last + 1);
        return Promise.resolve();
      },
    });
    this.#running.catch(() => undefined);
  }

  /**
   * @param groupId a group that nothing else uses
   * @throws ServiceError INTERNAL when the topic is missing, BROKER_UNAVAILABLE (retriable) when no broker answers
   */
  static async open(
    client: KafkaClient,
    groupId: string,
    names: TopicNames,
    health: BrokerHealth,
    options: TopicReaderOptions,
  ): Promise<TopicReader> {
    const consumer = client.consumer(groupId, { isOnlyMember: true });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [names.inCluster(options.topic)], fromBeginning: true });
    } catch (error) {
      await consumer.disconnect().catch(() => undefined);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(options.topic, error);
      throw brokerUnavailable('be subscribed to', error);
    }
    return new TopicReader(client, consumer, names, health, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#rejectCaughtUp(brokerUnavailable('be read to the end before the reader was closed'));
    this.#stopWatching();
    await this.#running.catch(() => undefined);
    await this.#consumer.disconnect().catch(() => undefined);
  }

  #advance(partition: number, position: number): void {
    const end = this.#unreached.get(partition);
    if (end === undefined || position < end) return;
    this.#unreached.delete(partition);
    if (this.#unreached.size === 0) this.#onCaughtUp();
  }
}
