import { connect } from 'node:tls';
import { isIP } from 'node:net';
import { CLOCK, DEAD_LETTERS, type TopicSpec } from '@countersign/contracts';
import { type ServiceError } from '@countersign/runtime';
import { brokerRefusedError, brokerUnavailable } from '../../request-reply/bus-errors.js';
import { groupOffsets, recordsLostError } from '../consumer/group-offsets.js';
import { KafkaClient, type KafkaOptions } from '../kafka-client.js';
import { tlsOptions } from '../kafka-login.js';
import { brokerRefusalOf } from '../refusals.js';
import { type KafkaRight, missingRights } from './authorized-operations.js';
import { configOf, defaultsOf } from './topic-admin.js';
import { type TopicDrift, topicDrifts } from './topic-drift.js';
import { TopicNames } from './topic-names.js';

const CERTIFICATE_LIMIT_MS = 3_000;

/** A consumer group with records that it has not handled. */
export interface GroupInspection {
  /** Name without the prefix of the installation. */
  readonly group: string;
  readonly members: number;
  /** Records from the first one that the group has not finished. */
  readonly lag: number;
  /** Records that were removed before the group handled them: the sentence of RECORDS_LOST. */
  readonly lost: string | undefined;
  /** The next offset of the group in each partition with lag, by topic and partition. */
  readonly next: ReadonlyMap<string, number>;
}

/** Asks a cluster about its state. Writes one record, in {@link clockOffset}, and nothing else. */
export class ClusterInspector {
  readonly #client: KafkaClient;
  readonly #names: TopicNames;

  constructor(private readonly options: KafkaOptions) {
    this.#client = new KafkaClient(options);
    this.#names = new TopicNames(options.topicPrefix ?? '');
  }

  /** @throws ServiceError BROKER_UNAVAILABLE that says what to check */
  cluster(): Promise<{ readonly brokers: number; readonly clusterId: string }> {
    return this.#ask('describe the cluster', () =>
      this.#client.withAdmin(async (admin) => {
        const { brokers, clusterId } = await admin.describeCluster();
        return { brokers: brokers.length, clusterId };
      }),
    );
  }

  /** @throws ServiceError BROKER_UNAVAILABLE */
  topics(topics: readonly TopicSpec[]): Promise<{
    /** Names in the cluster. */
    readonly missing: readonly string[];
    readonly drifts: readonly TopicDrift[];
    /** False without the right DESCRIBE_CONFIGS. */
    readonly areSettingsKnown: boolean;
    /** Sentences about partitions without a leader or with too few replicas. */
    readonly unhealthy: readonly string[];
  }> {
    const configs = topics.map((topic) => configOf(topic, this.#names, defaultsOf(this.options)));
    return this.#ask('describe the topics', () =>
      this.#client.withAdmin(async (admin) => {
        const listed = new Set(await admin.listTopics());
        const existing = configs.filter(({ topic }) => listed.has(topic));
        const found =
          existing.length === 0
            ? []
            : (await admin.fetchTopicMetadata({ topics: existing.map(({ topic }) => topic) })).topics;
        const unhealthy = found.flatMap(({ name, partitions }) => {
          const leaderless = partitions.filter(({ leader }) => leader < 0).length;
          const short = partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length;
          if (leaderless > 0) return [`${leaderless} partitions of ${name} have no leader`];
          return short > 0 ? [`${short} partitions of ${name} have replicas that are not in sync`] : [];
        });
        const missing = configs.filter(({ topic }) => !listed.has(topic)).map(({ topic }) => topic);
        return { missing, unhealthy, ...(await topicDrifts(admin, existing, found)) };
      }),
    );
  }

  /** The rights that the user lacks. @param needed names without the prefix. @throws ServiceError BROKER_UNAVAILABLE */
  missingRights(needed: readonly KafkaRight[]): Promise<KafkaRight[]> {
    const named = needed.map((right) => ({ ...right, name: this.#names.inCluster(right.name) }));
    return this.#ask('describe the rights', () => missingRights(this.#client, named));
  }

  /** @param topics that exist. @throws ServiceError BROKER_UNAVAILABLE */
  group(group: string, topics: readonly string[]): Promise<GroupInspection> {
    const groupId = this.#names.inCluster(group);
    return this.#ask('describe a group', async () => {
      const described = await this.#client.withAdmin((admin) => admin.describeGroups([groupId]));
      const offsets = await groupOffsets(
        this.#client,
        groupId,
        topics.map((topic) => this.#names.inCluster(topic)),
      );
      const next = new Map<string, number>();
      let lag = 0;
      for (const { topic, partition, committed, low, high } of offsets) {
        const behind = high - Math.max(committed ?? low, low);
        if (behind <= 0) continue;
        lag += behind;
        next.set(`${topic}/${partition}`, committed ?? low);
      }
      const lost = offsets.map((one) => recordsLostError(group, one.topic, one, 0)?.error.message);
      return {
        ...{ group, lag, next, lost: lost.find((message) => message !== undefined) },
        members: described.groups[0]?.members.length ?? 0,
      };
    });
  }

  /** The number of dead letters since a time, in milliseconds since 1970. @throws ServiceError BROKER_UNAVAILABLE */
  deadLetters(since: number): Promise<number> {
    const topic = this.#names.inCluster(DEAD_LETTERS.name);
    return this.#ask('describe the dead letters', () =>
      this.#client.withAdmin(async (admin) => {
        const first = new Map(
          (await admin.fetchTopicOffsetsByTimestamp(topic, since)).map(({ partition, offset }) => [partition, offset]),
        );
        const ends = await admin.fetchTopicOffsets(topic);
        return ends.reduce((sum, { partition, high }) => sum + Number(high) - Number(first.get(partition) ?? high), 0);
      }),
    );
  }

  /**
   * The brokers' clock minus the clock of this machine, and the largest error of this number, in milliseconds. Writes one
   * empty record to the topic of the clock, as every start of a service does: no request reads a broker's clock.
   * @returns undefined when the topic keeps the time of the sender
   * @throws ServiceError BROKER_UNAVAILABLE
   */
  clockOffset(): Promise<{ readonly offsetMs: number; readonly errorMs: number } | undefined> {
    return this.#ask('stamp a record with its time', async () => {
      const producer = this.#client.producer();
      await producer.connect();
      try {
        const sentAt = Date.now();
        const [written] = await producer.send({
          topic: this.#names.inCluster(CLOCK.name),
          acks: -1,
          messages: [{ key: '', value: Buffer.alloc(0) }],
        });
        const now = Date.now();
        const stamped = Number(written?.logAppendTime ?? -1);
        return stamped < 0 ? undefined : { offsetMs: stamped - (sentAt + now) / 2, errorMs: (now - sentAt) / 2 };
      } finally {
        await producer.disconnect();
      }
    });
  }

  /** When the certificates of the configured brokers expire, by broker; none without TLS. Skips brokers without an answer. */
  async certificates(): Promise<ReadonlyMap<string, Date>> {
    const tls = this.options.security?.tls;
    if (tls === undefined) return new Map();
    const found = await Promise.all(
      this.options.brokers.map(async (broker) => [broker, await certificateEnd(broker, tls)] as const),
    );
    return new Map(found.filter((one): one is readonly [string, Date] => one[1] !== undefined));
  }

  async #ask<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw faultOf(action, error);
    }
  }
}

function faultOf(action: string, error: unknown): ServiceError {
  const refusal = brokerRefusalOf(error);
  return refusal?.certain === true ? brokerRefusedError(refusal.advice, error) : brokerUnavailable(action, error);
}

function certificateEnd(
  broker: string,
  tls: NonNullable<NonNullable<KafkaOptions['security']>['tls']>,
): Promise<Date | undefined> {
  const at = broker.lastIndexOf(':');
  const host = broker.slice(0, at).replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect(
      { host, port: Number(broker.slice(at + 1)), ...(isIP(host) ? {} : { servername: host }), ...tlsOptions(tls) },
      () => end(new Date(socket.getPeerCertificate().valid_to)),
    );
    const end = (date?: Date): void => {
      socket.destroy();
      resolve(date);
    };
    socket.setTimeout(CERTIFICATE_LIMIT_MS, () => end());
    socket.on('error', () => end());
  });
}
