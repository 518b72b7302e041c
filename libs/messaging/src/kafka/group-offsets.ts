import { type KafkaClient } from './kafka-client.js';

/** What a partition holds, and how far a group has come in it. */
export interface GroupOffsets {
  /** Name in the cluster. */
  readonly topic: string;
  readonly partition: number;
  /** The next offset that the group would read; undefined: it has never committed one. */
  readonly committed: number | undefined;
  /** The first offset that is still there. */
  readonly low: number;
  /** The offset after the last record. */
  readonly high: number;
}

/**
 * Asks the cluster, at once, for every partition of these topics (names in the cluster).
 * @throws what kafkajs throws; the cluster may be just electing leaders
 */
export async function groupOffsets(
  client: KafkaClient,
  group: string,
  topics: readonly string[],
): Promise<GroupOffsets[]> {
  return client.withAdmin(async (admin) => {
    const [committed, ...bounds] = await Promise.all([
      admin.fetchOffsets({ groupId: group, topics: [...topics] }),
      ...topics.map(async (topic) => ({ topic, partitions: await admin.fetchTopicOffsets(topic) })),
    ]);
    const known = new Map<string, number>();
    for (const { topic, partitions } of committed) {
      for (const { partition, offset } of partitions) {
        if (Number(offset) >= 0) known.set(`${topic}/${partition}`, Number(offset));
      }
    }
    return bounds.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, low, high }) => ({
        topic,
        partition,
        committed: known.get(`${topic}/${partition}`),
        low: Number(low),
        high: Number(high),
      })),
    );
  });
}
