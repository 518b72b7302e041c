import { hasOnePartition, type TopicSpec } from '@countersign/contracts';
import { type ITopicConfig } from 'kafkajs';
import { backoffMs } from '../../consumption/backoff.js';
import { brokerRefusedError, brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { kafkaErrorType, type KafkaClient, type KafkaOptions, UNKNOWN_TOPIC } from '../kafka-client.js';
import { brokerRefusalOf } from '../refusals.js';
import { topicDrifts } from './topic-drift.js';
import { type TopicNames } from './topic-names.js';

const ENSURE_LIMIT_MS = 30_000;
const ENDS_LIMIT_MS = 10_000;
/** Closed connections for longer than this, in milliseconds, mean more than a broker that is starting. */
const CLOSED_LIMIT_MS = 5_000;
const WEEK_MS = 604_800_000;

/** How new topics are created. */
export interface TopicDefaults {
  readonly partitions: number;
  readonly replication: number;
  readonly commandRetentionMs: number;
  /** Undefined: forever. */
  readonly factRetentionMs: number | undefined;
  /** Of facts that a consumer stores. Undefined: forever. */
  readonly storedFactRetentionMs: number | undefined;
  /** Called with a line for each existing topic that differs. */
  readonly warn: (line: string) => void;
}

/** Longer than any request waits for its reply. */
const DEFAULT_COMMAND_RETENTION_MS = 600_000;

/** How topics are created with these options. */
export function defaultsOf(options: KafkaOptions): Omit<TopicDefaults, 'warn'> {
  return {
    partitions: options.partitions ?? 6,
    replication: options.replication ?? 1,
    commandRetentionMs: options.commandRetentionMs ?? DEFAULT_COMMAND_RETENTION_MS,
    factRetentionMs: options.factRetentionMs,
    storedFactRetentionMs: options.storedFactRetentionMs,
  };
}

/**
 * Creates the missing ones of these topics, and waits until each partition of all of them has a leader. Existing topics
 * are compared and not changed.
 * @throws ServiceError BROKER_UNAVAILABLE; not retriable when the brokers reject us, or we reject them
 */
export async function ensureTopics(
  client: KafkaClient,
  names: TopicNames,
  topics: readonly TopicSpec[],
  defaults: TopicDefaults,
): Promise<void> {
  const wanted = [...new Map(topics.map((topic) => [topic.name, topic])).values()];
  const configs = wanted.map((topic) => configOf(topic, names, defaults));
  const startedAt = Date.now();
  const until = startedAt + ENSURE_LIMIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      if (await client.withAdmin((admin) => createMissing(admin, configs, defaults.warn))) return;
      if (Date.now() > until) throw brokerUnavailable('elect a leader for every partition of the topics in time');
    } catch (error) {
      const refusal = brokerRefusalOf(error);
      if (refusal?.certain === true) throw brokerRefusedError(refusal.advice, error);
      const limit = refusal === undefined ? until : startedAt + CLOSED_LIMIT_MS;
      if (Date.now() > limit) throw brokerUnavailable('create the topics in time', error);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, backoffMs(attempt))));
  }
}

type Admin = Parameters<Parameters<KafkaClient['withAdmin']>[0]>[0];

/** @returns whether every topic can be used */
async function createMissing(
  admin: Admin,
  configs: readonly ITopicConfig[],
  warn: (line: string) => void,
): Promise<boolean> {
  const existing = new Set(await admin.listTopics());
  const missing = configs.filter((config) => !existing.has(config.topic));
  // Another service may create the same topics at this moment; kafkajs accepts that answer.
  if (missing.length > 0) await admin.createTopics({ topics: [...missing], waitForLeaders: false });
  const { topics } = await admin.fetchTopicMetadata({ topics: configs.map((config) => config.topic) });
  const haveLeaders = topics.every(
    ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
  );
  if (!haveLeaders || topics.length < configs.length) return false;
  // A new leader may not know yet that it leads. It would reject some partitions of a first batch, and the retry would
  // write the batch twice to the others. So each leader gets a request that only a leader answers.
  await Promise.all(topics.map(({ name }) => admin.fetchTopicOffsets(name)));
  const known = configs.filter(({ topic }) => existing.has(topic));
  for (const { problem } of (await topicDrifts(admin, known, topics)).drifts) warn(`${problem}; it is left as it is`);
  return true;
}

/** The broker sets the time of a record: deadlines are compared with it, see BrokerClock. */
export const LOG_APPEND_TIME_CONFIG = { 'message.timestamp.type': 'LogAppendTime' };

/** The topic as it is created. */
export function configOf(topic: TopicSpec, names: TopicNames, defaults: Omit<TopicDefaults, 'warn'>): ITopicConfig {
  const entries: Record<string, string> = {};
  switch (topic.kind) {
    case 'command':
      Object.assign(entries, retention(defaults.commandRetentionMs), LOG_APPEND_TIME_CONFIG);
      break;
    case 'fact':
      Object.assign(entries, retention(topic.isStored ? defaults.storedFactRetentionMs : defaults.factRetentionMs));
      break;
    case 'log':
      Object.assign(entries, retention(undefined));
      break;
    case 'state':
      entries['cleanup.policy'] = 'compact';
      break;
  }
  if (defaults.replication >= 3) entries['min.insync.replicas'] = '2';
  return {
    topic: names.inCluster(topic.name),
    numPartitions: hasOnePartition(topic) ? 1 : defaults.partitions,
    replicationFactor: defaults.replication,
    configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })),
  };
}

/**
 * Kafka deletes only whole segments: each covers a tenth of the retention, and at most a week, which is Kafka's
 * default.
 */
function retention(ms: number | undefined): Record<string, string> {
  if (ms === undefined) return { 'retention.ms': '-1' };
  return { 'retention.ms': String(ms), 'segment.ms': String(Math.min(WEEK_MS, Math.ceil(ms / 10))) };
}

/** The offset after the last record of each partition that is not empty. */
export async function endOffsets(client: KafkaClient, names: TopicNames, topic: string): Promise<Map<number, number>> {
  const until = Date.now() + ENDS_LIMIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      const offsets = await client.withAdmin((admin) => admin.fetchTopicOffsets(names.inCluster(topic)));
      const filled = offsets.filter(({ low, high }) => Number(high) > Number(low));
      return new Map(filled.map(({ partition, high }) => [partition, Number(high)]));
    } catch (error) {
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(topic, error);
      if (Date.now() > until) throw brokerUnavailable('list the offsets of a topic', error);
      // The partition is moving to another leader, or the cluster is starting.
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)));
    }
  }
}
