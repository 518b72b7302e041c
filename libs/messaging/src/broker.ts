import { type TopicSpec } from '@countersign/contracts';
import { type Deliveries } from './consumption/deliveries.js';

/** What is written to a topic. */
export interface BusRecord {
  readonly topic: string;
  /** Same key: same partition, same order. */
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** A record as it was read. */
export interface ConsumedRecord extends BusRecord {
  readonly partition: number;
  /** Decimal string: offsets are 64 bit. */
  readonly offset: string;
  /** When the broker or the producer wrote it, in milliseconds since 1970. */
  readonly timestamp: number;
}

/** How records that crash the process are found and handled. */
export interface PoisonHandling {
  readonly deliveries: Deliveries;
  /** Called instead of `handle` for a record that has ended the process three times. */
  readonly onPoison: (record: ConsumedRecord) => Promise<void>;
  /** Called, for the log, each time that partitions have to wait. */
  readonly onWaiting: (error: unknown) => void;
}

export interface ConsumeOptions {
  /** Consumer group: each record goes to one member of each group. */
  readonly group: string;
  /** Topics must exist (`ensureTopics`) before they are consumed. */
  readonly topics: readonly string[];
  /**
   * The maximum number of records handled at once, over all keys. Default 64. Tenants share the slots by the rules of
   * `SharedSlots` in `@countersign/fairness`. Partitions pause when too many records wait.
   */
  readonly maxInFlight?: number;
  /**
   * Handles records of one key at the same time too, for a handler to which their order means nothing. Default: one after the
   * other.
   */
  readonly isUnordered?: boolean;
  /**
   * The pause after a fetch with records, in milliseconds, for records that nobody waits for: those that arrive in it
   * share the next fetch, and their offsets are committed less often. Default: none.
   */
  readonly gatherMs?: number;
  /**
   * Records that wait for a scarce resource, such as argon2 hashing. They have `maxInFlight` slots of their own, so
   * other records never wait behind them. Default: none.
   */
  readonly isSlow?: (record: ConsumedRecord) => boolean;
  /** Finds records that crash the process. Not needed by the in-process bus, which ends with the process. */
  readonly poisonHandling?: PoisonHandling;
  /**
   * Called when the consumer failed permanently. The process must end, because it would run without consuming anything.
   */
  readonly onFatal: (error: Error) => void;
}

/** How far a consumer is behind in one partition. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Records in the partition from the first one that this group has not finished. */
  readonly lag: number;
}

/** What a consumer holds at this moment. */
export interface ConsumerStats {
  /** Records that are being handled. */
  readonly inFlight: number;
  /** Fetched records that wait for a slot, or for an earlier record of their key. */
  readonly waiting: number;
  /** Records that failed with a retriable error and wait for the next retry. */
  readonly retrying: number;
  /** One entry for each partition that this member is assigned. */
  readonly lag: readonly PartitionLag[];
}

/** A running consumer. */
export interface Subscription {
  /** Resolves when the member has joined its group and has been assigned partitions. */
  readonly ready: Promise<void>;
  /**
   * Cheap enough for every scrape. The end of a partition is as fresh as the last fetch from it, and at most about five
   * seconds older than the last call. So a paused partition, from which nothing is fetched, does not look idle.
   */
  stats(): ConsumerStats;
  /** Stops fetching, finishes what is in flight (at most `drainMs`, default 10 s), commits, and leaves the group. */
  close(drainMs?: number): Promise<void>;
}

/** Reads a whole topic; see {@link Broker.follow}. */
export interface Follower {
  /** Resolves when everything that was on the topic at the start has been read. */
  readonly caughtUp: Promise<void>;
  close(): Promise<void>;
}

/**
 * The bus that carries messages to the handlers: Apache Kafka, or a broker inside the process. Implementations MUST
 * pass the contract suite in `test/broker.contract.ts`.
 */
export abstract class Broker {
  /**
   * Creates the missing ones of these topics and returns when all can be used. Idempotent, also under concurrent calls.
   */
  abstract ensureTopics(topics: readonly TopicSpec[]): Promise<void>;

  /**
   * Writes records. Resolves only when they are durable: on Kafka, acknowledged by all in-sync replicas; in process,
   * for a topic of kind `fact`, when every group that consumes it has handled them, because nothing survives the
   * process.
   * The records of one call and of earlier calls keep their order per key. Concurrent calls share a batch. A reply to
   * an address that no longer exists is dropped, because nothing waits for it.
   * @throws ServiceError BROKER_UNAVAILABLE (retriable) after about ten seconds of retries; the records may or may not
   * have been written. INTERNAL when a topic does not exist, or a record is larger than the broker accepts; in process
   * nothing of the call is written then, on Kafka other records of it may have been.
   */
  abstract send(records: readonly BusRecord[]): Promise<void>;

  /**
   * Consumes as a member of a group, from the first record that the group has not committed. Records of one key are
   * handled in order and one at a time, records of different keys in parallel. An offset is committed only when every
   * lower offset of its partition is finished. When `handle` rejects, the record is retried after a growing pause, and
   * later records of its key wait.
   * A record is delivered at least once: again after a crash, or when partitions move.
   * @throws ServiceError INTERNAL when a topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract consume(options: ConsumeOptions, handle: (record: ConsumedRecord) => Promise<void>): Promise<Subscription>;

  /**
   * Reads a whole topic from its beginning, in every instance that calls this, and commits nothing. For compacted state
   * (the directory).
   * @throws ServiceError INTERNAL when the topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract follow(
    topic: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<Follower>;

  /**
   * Creates a reply address that only this process reads: a topic of its own, deleted on close. Addresses of dead
   * processes are deleted after a while. Traffic to one address is not visible at another.
   * The address works when this returns: a record sent to it has been received.
   */
  abstract openReplyAddress(
    owner: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<ReplyAddress>;

  /**
   * The record at this offset, whether it was handled or not. Undefined when it has been removed (retention,
   * compaction).
   * @throws ServiceError INTERNAL when the topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract read(topic: string, partition: number, offset: string): Promise<ConsumedRecord | undefined>;

  /**
   * The newest records of a topic with one partition, the oldest first: at most `count`. Commits nothing.
   * @throws ServiceError INTERNAL when the topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract readNewest(topic: string, count: number): Promise<ConsumedRecord[]>;

  /**
   * Moves a group past records that were removed before it handled them (RECORDS_LOST), to the first record that still
   * exists. In process nothing can be lost.
   * @param dryRun only reports what would change
   * @throws ServiceError BROKER_UNAVAILABLE (retriable); INTERNAL while the group has a running member
   */
  abstract acceptLoss(group: string, dryRun: boolean): Promise<AcceptedLoss[]>;

  /**
   * Milliseconds since 1970 by the brokers' clock, as far as this process knows it. Deadlines are times on this clock.
   * In process: the local clock.
   */
  abstract now(): number;

  /** True while the broker can be reached, as far as this process knows. */
  abstract healthy(): boolean;

  /** Closes open subscriptions, followers and addresses, waits for sends in progress, then disconnects. */
  abstract close(): Promise<void>;
}

/** A partition in which a group skips removed records. */
export interface AcceptedLoss {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

export interface ReplyAddress {
  /** The topic to which replies are sent. */
  readonly topic: string;
  close(): Promise<void>;
}
