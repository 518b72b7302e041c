import { type Admin, type ITopicConfig, type ITopicMetadata } from 'kafkajs';

/** The resource type of topics in the protocol. */
const TOPIC_RESOURCE = 2;

/**
 * Compares existing topics with how they would be created today: partitions and retention. An operator may have changed
 * them on purpose, or may expect a setting to change them. Nothing is altered, because losing records or moving keys
 * must not be a side effect of a restart.
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
    const wantedRetention = configEntries.find(({ name }) => name === 'retention.ms')?.value;
    const actualRetention = retentions.get(topic);
    if (wantedRetention !== undefined && actualRetention !== undefined && actualRetention !== wantedRetention) {
      lines.push(
        `topic ${topic} has retention.ms=${actualRetention}, a new one would have ${wantedRetention}; it is left as it is`,
      );
    }
    return lines;
  });
}

/** Empty when the user may not describe settings: a service works without that right. */
async function retentionsOf(
  admin: Pick<Admin, 'describeConfigs'>,
  wanted: readonly ITopicConfig[],
): Promise<Map<string, string>> {
  const resources = wanted.map(({ topic }) => ({ type: TOPIC_RESOURCE, name: topic, configNames: ['retention.ms'] }));
  const response = await admin.describeConfigs({ resources, includeSynonyms: false }).catch(() => undefined);
  return new Map(
    response?.resources.flatMap(({ resourceName, configEntries }) =>
      configEntries.map(({ configValue }) => [resourceName, configValue] as const),
    ),
  );
}
