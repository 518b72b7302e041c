import { type Admin, type ITopicConfig, type ITopicMetadata } from 'kafkajs';

/** The number that the protocol has for topics among the things that have settings. */
const TOPIC_RESOURCE = 2;

/**
 * Where existing topics differ from how they would be made today: partitions and retention, which an operator may have
 * changed on purpose, or may believe to have changed with a setting. Nothing is altered: fewer records or other partitions
 * of a key are no side effect of a restart.
 * @returns a sentence for each difference
 */
export async function settingDrifts(
  admin: Pick<Admin, 'describeConfigs'>,
  wanted: readonly ITopicConfig[],
  found: readonly ITopicMetadata[],
): Promise<string[]> {
  if (wanted.length === 0) return [];
  const partitions = new Map(found.map((topic) => [topic.name, topic.partitions.length]));
  const retentions = await retentionsOf(admin, wanted);
  return wanted.flatMap(({ topic, numPartitions = 1, configEntries = [] }) => {
    const lines: string[] = [];
    const count = partitions.get(topic);
    if (count !== undefined && count !== numPartitions) {
      lines.push(`topic ${topic} has ${count} partitions, a new one would have ${numPartitions}; it is left as it is`);
    }
    const asked = configEntries.find(({ name }) => name === 'retention.ms')?.value;
    const has = retentions.get(topic);
    if (asked !== undefined && has !== undefined && has !== asked) {
      lines.push(`topic ${topic} has retention.ms=${has}, a new one would have ${asked}; it is left as it is`);
    }
    return lines;
  });
}

/** Empty when the user may not ask: the right to describe settings is one that a service can do without. */
async function retentionsOf(
  admin: Pick<Admin, 'describeConfigs'>,
  wanted: readonly ITopicConfig[],
): Promise<Map<string, string>> {
  const resources = wanted.map(({ topic }) => ({ type: TOPIC_RESOURCE, name: topic, configNames: ['retention.ms'] }));
  const answer = await admin.describeConfigs({ resources, includeSynonyms: false }).catch(() => undefined);
  return new Map(
    answer?.resources.flatMap(({ resourceName, configEntries }) =>
      configEntries.map(({ configValue }) => [resourceName, configValue] as const),
    ),
  );
}
