import { ServiceError } from '@countersign/runtime';
import { type KafkaClient } from '../kafka-client.js';

/** What a partition holds, and how far a group has come in it. */
export interface GroupOffsets {
  /** Name in the cluster. */
  readonly topic: string;
  readonly partition: number;
  /** The next offset that the group would read; undefined: it has never committed one. */
  readonly committed: number | undefined;
  /** What came with that commit; empty: nothing. */
  readonly metadata: string;
  /** The first offset that is still there. */
  readonly low: number;
  /** The offset after the last record. */
  readonly high: number;
}

/**
 * Asks the cluster for every partition of these topics (names in the cluster): how far the group has come first, so that the
 * ends of the logs are never older than that. The other way round a process that is busy, or was stopped between the two
 * answers, takes records for lost that others have handled meanwhile.
 * @throws what kafkajs throws; the cluster may be just electing leaders
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
 * Whether records are gone that the group has not handled: the log begins behind what it would read next, or ends before
 * what it has read. `passes`: it may look so for a while after the election of a leader.
 * @param read the offset after the last record that this consumer has read; 0 when it has read none
 */
export function recordsLostError(
  group: string,
  topic: string,
  offsets: GroupOffsets,
  read: number,
): { error: ServiceError; passes: boolean } | undefined {
  const { partition, committed, low, high } = offsets;
  if (committed === undefined && read === 0) return undefined;
  const next = Math.max(committed ?? 0, read);
  const below = next < low;
  if (!below && next <= high) return undefined;
  const found = below
    ? `the log begins at offset ${low} now: up to ${low - next} records were removed before the group handled them ` +
      '(retention is shorter than the time it was away)'
    : `the log ends at offset ${high}: the topic was made anew, or its leader lost records`;
  const error = new ServiceError(
    'RECORDS_LOST',
    `group ${group} does not go on in topic ${topic}, partition ${partition}: its next offset is ${next}, but ${found}. ` +
      `When it is known what was lost, stop all copies, run "npm run countersign -- groups accept-loss ${group}" and start them`,
    false,
  );
  return { error, passes: !below };
}
