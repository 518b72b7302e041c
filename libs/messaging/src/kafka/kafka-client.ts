import { Kafka, logLevel, type Admin, type Consumer, type Producer } from 'kafkajs';
import { partitionOf } from '../envelope/partitioner.js';
import { saslMechanism, tlsOptions, type KafkaSecurity } from './kafka-login.js';
import { patchKafkajs } from './kafkajs-patches.js';

export interface KafkaOptions {
  /** `host:port` of some brokers of the cluster. */
  readonly brokers: readonly string[];
  /** How the brokers name this process in their logs. */
  readonly clientId: string;
  /** Put before the names of all topics and groups, so that several installations share a cluster. */
  readonly topicPrefix?: string;
  /** Partitions of new topics of kinds `command` and `fact`. Default 6; those of kind `state` have 1. */
  readonly partitions?: number;
  /** Longest time that a record waits for others under load, in milliseconds. Default 50; 0: none. */
  readonly lingerMs?: number;
  /** Copies of every partition of new topics. Default 1; use 3 on a cluster. */
  readonly replication?: number;
  /** A member that says nothing for this long has left its group, in milliseconds. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** A consumer that neither fetches nor is in its group for this long is broken, in milliseconds. Default 60,000. */
  readonly silenceMs?: number;
  /** How long new topics of kind `command` keep a record, in milliseconds. Default ten minutes. */
  readonly commandRetentionMs?: number;
  /** How long new topics of kind `fact` keep a record, in milliseconds. Default: for ever. */
  readonly factRetentionMs?: number;
  /** Default: brokers that let everybody in, without encryption. */
  readonly security?: KafkaSecurity;
  /** What the client library complains about: a sentence without records. Default: silence. */
  readonly log?: (line: string) => void;
}

/** Every setting of kafkajs in one place, with the reason of each. */
export class KafkaClient {
  readonly #kafka: Kafka;
  readonly #sessionTimeoutMs: number;
  readonly silenceMs: number;

  constructor(options: KafkaOptions) {
    patchKafkajs();
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.silenceMs = options.silenceMs ?? 60_000;
    const log = options.log;
    const { tls, login } = options.security ?? {};
    this.#kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId,
      ...(tls ? { ssl: tlsOptions(tls) } : {}),
      ...(login ? { sasl: saslMechanism(login) } : {}),
      connectionTimeout: 2_000,
      requestTimeout: 5_000,
      // Few and short: more of them keep dialling a dead broker while its partitions live on elsewhere.
      retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 2 },
      logLevel: logLevel.ERROR,
      // Only the sentence: the fields beside it can hold whole error objects.
      logCreator: () => (entry) => {
        if (!isExpected(entry.log.message)) log?.(`kafkajs ${entry.namespace}: ${entry.log.message}`);
      },
    });
  }

  producer(): Producer {
    return this.#kafka.producer({
      createPartitioner: () => (args) => partitionOf(String(args.message.key), args.partitionMetadata.length),
      allowAutoTopicCreation: false,
      // BatchSender repeats: it must be able to look at the error first.
      retry: { retries: 0 },
    });
  }

  /**
   * @param alone the only member of its group, for ever: it waits for no rebalance, and can ask less often for records that
   * are not there. Half of what an idle service costs is asking.
   */
  consumer(groupId: string, { alone = false } = {}): Consumer {
    return this.#kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: this.#sessionTimeoutMs,
      rebalanceTimeout: this.#sessionTimeoutMs,
      // Members learn of a rebalance by a heartbeat; three of them fit into a session, however short.
      heartbeatInterval: Math.min(alone ? 3_000 : 500, Math.floor(this.#sessionTimeoutMs / 3)),
      // How long close, pause and rebalance wait for a fetch under way (5 s by default). Each fetch of nothing costs an idle
      // service processor time.
      maxWaitTimeInMs: alone ? 1_000 : 500,
      maxBytesPerPartition: 262_144,
      readUncommitted: true,
      // About 14 s. A consumer that gives up and begins anew is another member, and the group waits for the old one until
      // its session ends: a failover took 9 s with five retries.
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 30, restartOnFailure: () => Promise.resolve(true) },
    });
  }

  /** Whether every partition of these topics (names in the cluster) could be read from at this moment. */
  async reaches(topics: readonly string[]): Promise<boolean> {
    try {
      const metadata = await this.withAdmin((admin) => admin.fetchTopicMetadata({ topics: [...topics] }));
      return metadata.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    } catch {
      return false;
    }
  }

  /** Administrative work is rare: it gets a connection of its own each time. */
  async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin({ retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 5 } });
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}

/**
 * Services that start at once create the same topics, and all but one are refused; the leader of a new topic may not know it yet
 * when it is asked for offsets. Both are asked again, and any other refusal reaches the asking code as an error, so no line is lost.
 */
function isExpected(message: string): boolean {
  return /^Response (CreateTopics|ListOffsets)\(/.test(message);
}

/** The protocol's name of what went wrong, from wherever kafkajs hid it. */
export function kafkaErrorType(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    if ('type' in at && typeof at.type === 'string') return at.type;
    if (at.name === 'KafkaJSMetadataNotLoaded' || at.name === 'KafkaJSTopicMetadataNotLoaded') return UNKNOWN_TOPIC;
  }
  return undefined;
}

export const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';
