import { type TopicSpec } from '@countersign/contracts';
import { type ITopicConfig } from 'kafkajs';
import { backoffMs } from '../../consumption/backoff.js';
import { brokerRefuses, brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { kafkaErrorType, type KafkaClient, UNKNOWN_TOPIC } from '../kafka-client.js';
import { brokerRefusalOf } from '../refusals.js';
import { settingDrifts } from './topic-drift.js';
import { type TopicNames } from './topic-names.js';

const ENSURE_LIMIT_MS = 30_000;
const ENDS_LIMIT_MS = 10_000;
/** A broker that closes connections for this long, in milliseconds, is not just starting. */
const CLOSED_LIMIT_MS = 5_000;
const WEEK_MS = 604_800_000;

/** How new topics are made. */
export interface TopicDefaults {
  readonly partitions: number;
  readonly replication: number;
  readonly commandRetentionMs: number;
  /** Undefined: for ever. */
  readonly factRetentionMs: number | undefined;
  /** Takes a line for each existing topic that is different. */
  readonly warn: (line: string) => void;
}

/**
 * Creates the missing ones of these topics, and waits until each partition of all of them has a leader. Existing ones are
 * left as they are, and compared.
 * @throws ServiceError BROKER_UNAVAILABLE; not retriable when the brokers refuse us, or we them
 */
export async function ensureTopics(
  client: KafkaClient,
  names: TopicNames,
  topics: readonly TopicSpec[],
  defaults: TopicDefaults,
): Promise<void> {
  const wanted = [...new Map(topics.map((topic) => [topic.name, topic])).values()];
  const configs = wanted.map((topic) => configOf(topic, names, defaults));
  const began = Date.now();
  const until = began + ENSURE_LIMIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      if (await client.withAdmin((admin) => createMissing(admin, configs, defaults.warn))) return;
      if (Date.now() > until) throw brokerUnavailable('name a leader for every partition of the topics in time');
    } catch (error) {
      const refusal = brokerRefusalOf(error);
      if (refusal?.certain === true) throw brokerRefuses(refusal.advice, error);
      const limit = refusal === undefined ? until : began + CLOSED_LIMIT_MS;
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
  // Somebody else may create the same ones in this moment; kafkajs takes that for an answer.
  if (missing.length > 0) await admin.createTopics({ topics: [...missing], waitForLeaders: false });
  const { topics } = await admin.fetchTopicMetadata({ topics: configs.map((config) => config.topic) });
  const led = topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0));
  if (!led || topics.length < configs.length) return false;
  // A leader that is named may not know it yet. It would refuse some partitions of a first batch, and the batch would
  // be written twice to the others; so each leader is asked something that only leaders answer.
  await Promise.all(topics.map(({ name }) => admin.fetchTopicOffsets(name)));
  for (const line of await settingDrifts(
    admin,
    configs.filter(({ topic }) => existing.has(topic)),
    topics,
  ))
    warn(line);
  return true;
}

/** The time on a record is that of its broker: deadlines are compared with it, see BrokerClock. */
export const BY_BROKER = { 'message.timestamp.type': 'LogAppendTime' };

function configOf(topic: TopicSpec, names: TopicNames, defaults: TopicDefaults): ITopicConfig {
  const entries: Record<string, string> = {};
  switch (topic.kind) {
    case 'command':
      Object.assign(entries, retention(defaults.commandRetentionMs), BY_BROKER);
      break;
    case 'fact':
      Object.assign(entries, retention(defaults.factRetentionMs));
      break;
    case 'state':
      entries['cleanup.policy'] = 'compact';
      break;
  }
  if (defaults.replication >= 3) entries['min.insync.replicas'] = '2';
  return {
    topic: names.inCluster(topic.name),
    numPartitions: topic.kind === 'state' ? 1 : defaults.partitions,
    replicationFactor: defaults.replication,
    configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })),
  };
}

/** Only whole segments are removed: a tenth of the time for each, and no longer than Kafka's own week. */
function retention(ms: number | undefined): Record<string, string> {
  if (ms === undefined) return { 'retention.ms': '-1' };
  return { 'retention.ms': String(ms), 'segment.ms': String(Math.min(WEEK_MS, Math.ceil(ms / 10))) };
}

/** The offset after the last record of each partition that holds any. */
export async function endsOf(client: KafkaClient, names: TopicNames, topic: string): Promise<Map<number, number>> {
  const until = Date.now() + ENDS_LIMIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      const offsets = await client.withAdmin((admin) => admin.fetchTopicOffsets(names.inCluster(topic)));
      const filled = offsets.filter(({ low, high }) => Number(high) > Number(low));
      return new Map(filled.map(({ partition, high }) => [partition, Number(high)]));
    } catch (error) {
      if (kafkaErrorType(error) === UNKNOWN_TOPIC) throw unknownTopic(topic, error);
      if (Date.now() > until) throw brokerUnavailable('say how much a topic holds', error);
      // The partition is moving to another leader, or the cluster is just starting.
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)));
    }
  }
}
