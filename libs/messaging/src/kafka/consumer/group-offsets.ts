import { ServiceError } from '@countersign/runtime';
import { type KafkaClient } from '../kafka-client.js';

/** The offsets in a partition, and the committed offset of a group. */
export interface GroupOffsets {
  /** Name in the cluster. */
  readonly topic: string;
  readonly partition: number;
  /** The next offset that the group would read; undefined when it has never committed. */
  readonly committed: number | undefined;
  /** The metadata of that commit; empty when there is none. */
  readonly metadata: string;
  /** The first offset in the log. */
  readonly low: number;
  /** The offset after the last record. */
  readonly high: number;
}

/**
 * Fetches these offsets for every partition of the topics (names in the cluster). Fetches the commits first, so that
 * the ends of the logs are never older than the commits. Otherwise a busy or suspended process could report records as
 * lost that another member has handled in between.
 * @throws errors of kafkajs, for example while the cluster elects leaders
 */
export async function groupOffsets(
  client: KafkaClient,
  group: string,
  topics: readonly string[],
): Promise<GroupOffsets[]> {
  return client.withAdmin(async (admin) => {
    const committed = await admin.fetchOffsets({ groupId: group, topics: [...topics] });
    const bounds = await Promise.all(
      topics.map(async (topic) => ({ topic, partitions: await admin.fetchTopicOffsets(topic) })),
    );
    const known = new Map<string, { committed: number; metadata: string }>();
    for (const { topic, partitions } of committed) {
      for (const { partition, offset, metadata } of partitions) {
        if (Number(offset) < 0) continue;
        known.set(`${topic}/${partition}`, { committed: Number(offset), metadata: metadata ?? '' });
      }
    }
    return bounds.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, low, high }) => ({
        topic,
        partition,
        committed: known.get(`${topic}/${partition}`)?.committed,
        metadata: known.get(`${topic}/${partition}`)?.metadata ?? '',
        low: Number(low),
        high: Number(high),
      })),
    );
  });
}

/**
 * The error when records were removed before the group handled them: the log begins after the next offset of the group,
 * or ends before it. `isTransient`: after the election of a leader it can look so for a while.
 * @param read the offset after the last record that this consumer has read; 0 when it has read none
 */
export function recordsLostError(
  group: string,
  topic: string,
  offsets: GroupOffsets,
  read: number,
): { error: ServiceError; isTransient: boolean } | undefined {
  const { partition, committed, low, high } = offsets;
  if (committed === undefined && read === 0) return undefined;
  const next = Math.max(committed ?? 0, read);
  const below = next < low;
  if (!below && next <= high) return undefined;
  const found = below
    ? `the log begins at offset ${low} now: up to ${low - next} records were removed before the group handled them ` +
      '(retention is shorter than the time the group was stopped)'
    : `the log ends at offset ${high}: the topic was recreated, or its leader lost records`;
  const error = new ServiceError(
    'RECORDS_LOST',
    `group ${group} stops in topic ${topic}, partition ${partition}: its next offset is ${next}, but ${found}. ` +
      `When it is known what was lost, stop all copies, run "npm run countersign -- groups accept-loss ${group}" and start them`,
    false,
  );
  return { error, isTransient: !below };
}
