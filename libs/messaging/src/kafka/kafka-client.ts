import kafkajs, { Kafka, logLevel, type Admin, type Consumer, type Producer } from 'kafkajs';
import { partitionOf } from '../envelope/partitioner.js';
import { saslOptions, tlsOptions, type KafkaSecurity } from './kafka-login.js';

export interface KafkaOptions {
  /** `host:port` of some brokers of the cluster. */
  readonly brokers: readonly string[];
  /** How the brokers name this process in their logs. */
  readonly clientId: string;
  /** Prefix of all topic and group names, so that several installations can share a cluster. */
  readonly topicPrefix?: string;
  /** Partitions of new topics of kinds `command` and `fact`. Default 6; those of kind `state` have 1. */
  readonly partitions?: number;
  /** Replicas of each partition of new topics. Default 1; use 3 on a cluster. */
  readonly replication?: number;
  /** A member without a heartbeat for this long has left its group, in milliseconds. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** A consumer that does not fetch, or is in no group, for this long is broken, in milliseconds. Default 60,000. */
  readonly silenceMs?: number;
  /**
   * How long a new leader may not know the end of the log yet, in milliseconds: the end can look lower while a stopped
   * replica counts as in sync (`replica.lag.time.max.ms`, 30 s by default). Default 40,000.
   */
  readonly electionMs?: number;
  /** Retention of new topics of kind `command`, in milliseconds. Default ten minutes. */
  readonly commandRetentionMs?: number;
  /** Retention of new topics of kind `fact`, in milliseconds. Default: forever. */
  readonly factRetentionMs?: number;
  /** Retention of new topics of facts that a consumer stores, in milliseconds. Default: forever. */
  readonly storedFactRetentionMs?: number;
  /** Default: no encryption and no login. */
  readonly security?: KafkaSecurity;
  /** Receives the errors of kafkajs, as sentences without records. Default: discarded. */
  readonly log?: (line: string) => void;
}

/** Every setting of kafkajs in one place, with the reason of each. */
export class KafkaClient {
  readonly #kafka: Kafka;
  readonly #sessionTimeoutMs: number;
  readonly silenceMs: number;
  readonly electionMs: number;

  constructor(options: KafkaOptions) {
    // Only the patch exports this name. Without it consumers leave their group in every failover (docs/adr/0056).
    if (!('isConnectionLost' in kafkajs))
      throw new Error('kafkajs is installed without its patch: run "npm run build"');
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.silenceMs = options.silenceMs ?? 60_000;
    this.electionMs = options.electionMs ?? 40_000;
    const log = options.log;
    const { tls, login } = options.security ?? {};
    this.#kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId,
      ...(tls ? { ssl: tlsOptions(tls) } : {}),
      ...(login ? { sasl: saslOptions(login) } : {}),
      connectionTimeout: 2_000,
      requestTimeout: 5_000,
      // Few and short: more retries would keep connecting to a dead broker while other brokers lead its partitions.
      retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 2 },
      logLevel: logLevel.ERROR,
      // Logs only the sentence: the other fields can hold whole error objects.
      logCreator: () => (entry) => {
        if (!isExpected(entry.log.message)) log?.(`kafkajs ${entry.namespace}: ${entry.log.message}`);
      },
    });
  }

  producer(): Producer {
    return this.#kafka.producer({
      createPartitioner: () => (args) => partitionOf(String(args.message.key), args.partitionMetadata.length),
      allowAutoTopicCreation: false,
      // BatchSender retries: it must inspect the error first.
      retry: { retries: 0 },
    });
  }

  consumer(groupId: string, role: ConsumerRole = {}): Consumer {
    return this.#kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: this.#sessionTimeoutMs,
      rebalanceTimeout: this.#sessionTimeoutMs,
      ...pollingTimes(role, this.#sessionTimeoutMs),
      maxBytesPerPartition: 262_144,
      readUncommitted: true,
      // About 14 s. A consumer that gives up and restarts is a new member, and the group waits until the session of the
      // old one ends: a failover took 9 s with five retries.
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 30, restartOnFailure: () => Promise.resolve(true) },
    });
  }

  /** Whether every partition of these topics (names in the cluster) can be read at this moment. */
  async reaches(topics: readonly string[]): Promise<boolean> {
    try {
      const metadata = await this.withAdmin((admin) => admin.fetchTopicMetadata({ topics: [...topics] }));
      return metadata.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
    } catch {
      return false;
    }
  }

  /** Runs work with requests that kafkajs does not know, on a connection of its own. */
  async withRawCluster<T>(work: (cluster: RawCluster) => Promise<T>): Promise<T> {
    // kafkajs hides the connections of its clients; all of them come from this function. The version is pinned.
    const [create] = Object.getOwnPropertySymbols(this.#kafka).filter(
      ({ description }) => description === 'private:Kafka:createCluster',
    );
    if (create === undefined) throw new Error('kafkajs has another shape than version 2.2.4');
    const hidden = this.#kafka as unknown as Record<symbol, (options: object) => RawCluster & RawConnection>;
    const cluster = hidden[create]?.({ allowAutoTopicCreation: false }) as RawCluster & RawConnection;
    await cluster.connect();
    try {
      // Fills the list of brokers.
      await cluster.refreshMetadata();
      return await work(cluster);
    } finally {
      await cluster.disconnect();
    }
  }

  /** Runs rare administrative work on a connection of its own. */
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

export interface ConsumerRole {
  /** It waits for no rebalance, so it can poll less often. */
  readonly isOnlyMember?: boolean;
  /** No caller waits for its records (`ConsumeOptions.gatherMs`), so a rebalance may take longer. */
  readonly gathers?: boolean;
}

/**
 * How often a consumer polls, in milliseconds. Half of the cost of an idle service is polling, and heartbeats of a busy one
 * cost as much as its records. kafkajs sends no heartbeat during a fetch, so both times together are at most two thirds of any
 * session: otherwise an idle member would lose its partitions again and again.
 */
export function pollingTimes(
  { isOnlyMember = false, gathers = false }: ConsumerRole,
  sessionTimeoutMs: number,
): { readonly heartbeatInterval: number; readonly maxWaitTimeInMs: number } {
  const longestMs = Math.floor(sessionTimeoutMs / 3);
  return {
    // Members notice a rebalance by a heartbeat.
    heartbeatInterval: Math.min(isOnlyMember ? 3_000 : gathers ? 2_000 : 500, longestMs),
    // How long close, pause and rebalance wait for a fetch in progress (default 5 s). Each empty fetch costs an idle
    // service processor time.
    maxWaitTimeInMs: Math.min(isOnlyMember || gathers ? 1_000 : 500, longestMs),
  };
}

/** A request in the form of kafkajs. `buf` and `buffer` are its bytes after the header. */
export interface ProtocolRequest<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: { decode(bytes: Buffer): Promise<T>; parse(decoded: T): Promise<T> };
}

interface RawBroker {
  readonly connectionPool: { send<T>(request: ProtocolRequest<T>): Promise<T> };
}

interface RawConnection {
  connect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  disconnect(): Promise<void>;
}

/** The part of kafkajs's cluster that sends requests. */
export interface RawCluster {
  readonly brokerPool: { withBroker<T>(work: (found: { broker: RawBroker }) => Promise<T>): Promise<T> };
  findGroupCoordinator(group: { groupId: string }): Promise<RawBroker>;
}

/**
 * Expected errors: services that start at once create the same topics, a broker may not know a new topic yet, and a new
 * leader may not know yet that it leads when it is asked for offsets. The caller gets each as an error and retries, so
 * they need no log line.
 */
function isExpected(message: string): boolean {
  return /^Response (CreateTopics|ListOffsets|Metadata)\(/.test(message);
}

/** The protocol's name of an error, from any depth of the causes. */
export function kafkaErrorType(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    if ('type' in at && typeof at.type === 'string') return at.type;
    if (at.name === 'KafkaJSMetadataNotLoaded' || at.name === 'KafkaJSTopicMetadataNotLoaded') return UNKNOWN_TOPIC;
  }
  return undefined;
}

export const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';

/** Whether the broker refused records for their size: of one record, or of all records for a partition together. */
export function isTooLarge(error: unknown): boolean {
  const type = kafkaErrorType(error);
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}
