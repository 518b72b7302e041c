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

/** How records that end the process are found and dealt with. */
export interface PoisonHandling {
  readonly deliveries: Deliveries;
  /** Takes the place of `handle` for a record that has ended the process three times. */
  readonly onPoison: (record: ConsumedRecord) => Promise<void>;
  /** Told each time that partitions have to wait, for the log. */
  readonly onWaiting: (error: unknown) => void;
}

export interface ConsumeOptions {
  /** Consumer group: each record goes to one member of each group. */
  readonly group: string;
  /** Topics must exist (`ensureTopics`) before anyone consumes them. */
  readonly topics: readonly string[];
  /**
   * How many records are handled at once over all keys. Tenants share the places as `SharedSlots` of `@countersign/fairness`
   * says and take turns; when too many records wait, their partitions pause. Default 64.
   */
  readonly maxInFlight?: number;
  /**
   * Records that wait for scarce work, such as hashes: as many of them are handled at once again, apart from the others, so
   * that the others never wait behind them. Default: none.
   */
  readonly isSlow?: (record: ConsumedRecord) => boolean;
  /** Finds records that end the process; without it nobody does. A bus inside the process ends with it and needs none. */
  readonly poisonHandling?: PoisonHandling;
  /** A consumer that broke for good: the process must end, because it lives and consumes nothing. */
  readonly onFatal: (error: Error) => void;
}

/** How far a consumer is behind in one of its partitions. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Records that are there and that this group has not finished without a gap. */
  readonly lag: number;
}

/** What a consumer has on its hands at this moment. */
export interface ConsumerStats {
  /** Records that are being handled. */
  readonly inFlight: number;
  /** Records that were fetched and wait: for a place, or for an earlier record of their key. */
  readonly waiting: number;
  /** Records that failed for a reason that passes, and pause before the next try. */
  readonly retrying: number;
  /** One entry for each partition that this member has now. */
  readonly lag: readonly PartitionLag[];
}

/** A running consumer. */
export interface Subscription {
  /** Resolves when the member has joined its group and has its partitions. */
  readonly ready: Promise<void>;
  /**
   * Cheap, for every scrape. What a partition holds is as fresh as the last fetch from it, and at most about five
   * seconds older than the last call: a paused partition, which is not fetched from, does not look idle.
   */
  stats(): ConsumerStats;
  /** Stops fetching, finishes what is in flight (at most `drainMs`, default 10 s), commits, leaves the group. */
  close(drainMs?: number): Promise<void>;
}

/** A reader of everything on a topic; see {@link Broker.follow}. */
export interface Follower {
  /** Resolves when everything that was on the topic at the start has been read. */
  readonly caughtUp: Promise<void>;
  close(): Promise<void>;
}

/**
 * The bus below the handlers: Apache Kafka, or its in-process twin. Implementations MUST pass the contract suite in
 * `broker.contract.ts`; that is all another Kafka client has to do to take the place of today's.
 */
export abstract class Broker {
  /** Creates what is missing of these topics, and returns when they can be used. Idempotent, also side by side. */
  abstract ensureTopics(topics: readonly TopicSpec[]): Promise<void>;

  /**
   * Writes records. Resolves only when they are safe: on Kafka, acknowledged by all in-sync replicas; in process, for a
   * topic of kind `fact`, when every group that consumes it has handled them (nothing else would survive the process).
   * The records of one call and of earlier calls keep their order per key. Calls of one moment travel together.
   * A reply to an address that is gone is dropped: nobody waits for it.
   * @throws ServiceError BROKER_UNAVAILABLE, retriable; the records may or may not have been written, after about ten
   * seconds of trying. INTERNAL when a topic does not exist; nothing of the call is written then in process, and its
   * other topics may have been on Kafka.
   */
  abstract send(records: readonly BusRecord[]): Promise<void>;

  /**
   * Consumes as a member of a group, from the beginning of what the group has not committed. Records of one key are
   * handled in order and one at a time, records of different keys in parallel. An offset is committed only when every
   * lower one of its partition is finished. `handle` settles each record by itself; when it rejects, the record is
   * tried again after a growing pause, and later records of the same key wait.
   * A record is delivered at least once: again after a crash or when partitions move.
   * @throws ServiceError INTERNAL when a topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract consume(options: ConsumeOptions, handle: (record: ConsumedRecord) => Promise<void>): Promise<Subscription>;

  /**
   * Reads a topic from its beginning, all of it, in every instance that asks, without committing anything.
   * For compacted state (the directory).
   * @throws ServiceError INTERNAL when the topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract follow(
    topic: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<Follower>;

  /**
   * Makes an address at which this process, and nobody else, receives replies: a topic of its own, removed on close.
   * Addresses that dead processes left behind are removed in time. Traffic to one address is not seen at another.
   * Ready when it returns: a record sent to it has come back.
   */
  abstract openReplyAddress(
    owner: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<ReplyAddress>;

  /**
   * The record at a place, whoever has handled it; undefined when it is not there any more (retention, compaction).
   * @throws ServiceError INTERNAL when the topic does not exist, BROKER_UNAVAILABLE (retriable)
   */
  abstract read(topic: string, partition: number, offset: string): Promise<ConsumedRecord | undefined>;

  /**
   * Lets a group go on where records are gone that it had not handled (RECORDS_LOST): at the beginning of what there is.
   * In process nothing can be lost.
   * @param dryRun only tells
   * @throws ServiceError BROKER_UNAVAILABLE (retriable); INTERNAL while a member of the group runs
   */
  abstract acceptLoss(group: string, dryRun: boolean): Promise<AcceptedLoss[]>;

  /**
   * Milliseconds since 1970 by the clock of the brokers, as far as this process knows it; deadlines are times on it. In
   * process: the own clock.
   */
  abstract now(): number;

  /** True while the broker can be reached, as far as this process knows. */
  abstract healthy(): boolean;

  /** Closes what is still open of the above, waits for sends under way, then disconnects. */
  abstract close(): Promise<void>;
}

/** A partition in which a group goes on elsewhere. */
export interface AcceptedLoss {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

export interface ReplyAddress {
  /** The topic that an answer is sent to. */
  readonly topic: string;
  close(): Promise<void>;
}
