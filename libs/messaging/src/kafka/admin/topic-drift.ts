import { type Admin, type ITopicConfig, type ITopicMetadata } from 'kafkajs';

/** The resource type of topics in the protocol. */
const TOPIC_RESOURCE = 2;

/** Settings of topics that are compared. */
const COMPARED = ['retention.ms', 'cleanup.policy', 'message.timestamp.type', 'min.insync.replicas'] as const;

/** A topic that differs from how it would be created today. */
export interface TopicDrift {
  /** Name in the cluster. */
  readonly topic: string;
  readonly problem: string;
  /** What to do when the difference is not intended. */
  readonly cure: string;
  /** Whether records are lost, or the product does not work; otherwise the difference can be intended. */
  readonly isFault: boolean;
}

/**
 * Compares existing topics with how they would be created today. An operator may have changed them on purpose, or may expect
 * a setting to change them. Nothing is altered, because losing records or moving keys must not be a side effect of a restart.
 * @param wanted topics that exist
 * @returns the differences, and whether settings could be read: a service works without the right to describe them
 */
export async function topicDrifts(
  admin: Pick<Admin, 'describeConfigs'>,
  wanted: readonly ITopicConfig[],
  found: readonly ITopicMetadata[],
): Promise<{ readonly drifts: readonly TopicDrift[]; readonly areSettingsKnown: boolean }> {
  if (wanted.length === 0) return { drifts: [], areSettingsKnown: true };
  const actual = await settingsOf(admin, wanted);
  const partitions = new Map(found.map((topic) => [topic.name, topic.partitions]));
  const drifts = wanted.flatMap((config) => [
    ...partitionDrifts(config, partitions.get(config.topic)?.length),
    ...settingDrifts(config, actual?.get(config.topic), partitions.get(config.topic)?.[0]?.replicas.length),
  ]);
  return { drifts, areSettingsKnown: actual !== undefined };
}

function partitionDrifts(
  { topic, numPartitions = 1, configEntries = [] }: ITopicConfig,
  count: number | undefined,
): TopicDrift[] {
  if (count === undefined || count === numPartitions) return [];
  const problem = `topic ${topic} has ${count} partitions, a new one would have ${numPartitions}`;
  const isState = configEntries.some(({ value }) => value === 'compact');
  const cure =
    numPartitions === 1
      ? `create it again with one partition while all services are stopped${isState ? '; the directory publishes it again' : ''}`
      : `set TOPIC_PARTITIONS=${count}, or add partitions while all services are stopped`;
  return [{ topic, problem, cure, isFault: false }];
}

function settingDrifts(
  { topic, configEntries = [] }: ITopicConfig,
  actual: ReadonlyMap<string, string> | undefined,
  replicas = 1,
): TopicDrift[] {
  if (actual === undefined) return [];
  const wantedOf = (name: string): string | undefined => configEntries.find((entry) => entry.name === name)?.value;
  const drift = (name: string, wanted: string, isFault: boolean): TopicDrift => ({
    topic,
    problem: `topic ${topic} has ${name}=${actual.get(name) ?? ''}, a new one would have ${wanted}`,
    cure: `kafka-configs.sh --bootstrap-server BROKER --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${wanted}`,
    isFault,
  });
  const drifts: TopicDrift[] = [];
  const [cleanup, policy] = [actual.get('cleanup.policy'), wantedOf('cleanup.policy') ?? 'delete'];
  // Compaction removes facts and commands of the same key; deletion removes agents from the directory.
  if (cleanup !== undefined && cleanup !== policy) drifts.push(drift('cleanup.policy', policy, true));
  const [retention, wantedRetention] = [actual.get('retention.ms'), wantedOf('retention.ms')];
  if (retention !== undefined && wantedRetention !== undefined && retention !== wantedRetention) {
    drifts.push(drift('retention.ms', wantedRetention, retentionMs(retention) < retentionMs(wantedRetention)));
  }
  const [timestamps, wantedTimestamps] = [actual.get('message.timestamp.type'), wantedOf('message.timestamp.type')];
  if (timestamps !== undefined && wantedTimestamps !== undefined && timestamps !== wantedTimestamps) {
    drifts.push(drift('message.timestamp.type', wantedTimestamps, true));
  }
  const inSync = Number(actual.get('min.insync.replicas') ?? 1);
  if (inSync > replicas) drifts.push(drift('min.insync.replicas', String(Math.max(1, replicas - 1)), true));
  else if (inSync < Number(wantedOf('min.insync.replicas') ?? 1)) drifts.push(drift('min.insync.replicas', '2', false));
  return drifts;
}

const retentionMs = (value: string): number => (value === '-1' ? Infinity : Number(value));

/** By topic and name; undefined when the user may not describe settings. */
async function settingsOf(
  admin: Pick<Admin, 'describeConfigs'>,
  wanted: readonly ITopicConfig[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>> | undefined> {
  const resources = wanted.map(({ topic }) => ({ type: TOPIC_RESOURCE, name: topic, configNames: [...COMPARED] }));
  const response = await admin.describeConfigs({ resources, includeSynonyms: false }).catch(() => undefined);
  return (
    response &&
    new Map(
      response.resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    )
  );
}
