import { ConfigResourceTypes, Kafka, logLevel, type Admin } from 'kafkajs';

/** The source of a setting that somebody set on the topic itself. */
const OWN_SETTING = 1;

/**
 * Changes settings of a topic and keeps its others, for tests of a topic that somebody has changed.
 * @param brokers ports with anonymous administrators
 * @param topic name in the cluster
 * @returns a function that restores the settings
 */
export async function changeTopic(
  brokers: readonly string[],
  topic: string,
  changed: Readonly<Record<string, string>>,
): Promise<() => Promise<void>> {
  const before = await withAdmin(brokers, async (admin) => {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      includeSynonyms: false,
    });
    const own = (resources[0]?.configEntries ?? []).filter((entry) => Number(entry.configSource) === OWN_SETTING);
    return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]));
  });
  // This request replaces every setting of the topic.
  const set = (values: Readonly<Record<string, string>>): Promise<void> =>
    withAdmin(brokers, async (admin) => {
      const configEntries = Object.entries(values).map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
      });
    });
  await set({ ...before, ...changed });
  return () => set(before);
}

/** @param topic name in the cluster */
export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
}

async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [...brokers], clientId: 'topics', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  return work(admin).finally(() => admin.disconnect());
}
