import { randomBytes } from 'node:crypto';
import { type KafkaClient } from './kafka-client.js';
import { BY_BROKER } from './topic-admin.js';
import { type TopicNames } from './topic-names.js';

const PREFIX = 'replies.';
/** Reply topics older than this, that nobody reads, belong to a process that died. */
const ABANDONED_MS = 600_000;

export const isReplyTopic = (topic: string): boolean => topic.startsWith(PREFIX);

/**
 * A name that nobody else has, with the time of its making in it.
 * @param owner names the kind of process, for people who look at the cluster
 */
export function replyTopicName(owner: string): string {
  const readable = owner.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 40);
  return `${PREFIX}${readable}.${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
}

export async function createReplyTopic(client: KafkaClient, name: string, replication: number): Promise<void> {
  const entries = { 'retention.ms': '300000', 'segment.ms': '60000', ...BY_BROKER };
  const configEntries = Object.entries(entries).map(([key, value]) => ({ name: key, value }));
  await client.withAdmin((admin) =>
    admin.createTopics({
      topics: [{ topic: name, numPartitions: 1, replicationFactor: replication, configEntries }],
      waitForLeaders: true,
    }),
  );
}

/**
 * Removes the reply topics that dead processes left behind: old by the time in the name, and without a reader (the group
 * of a reader has the name of the topic).
 * @param now milliseconds since 1970
 */
export async function removeAbandoned(client: KafkaClient, names: TopicNames, now: number): Promise<void> {
  await client.withAdmin(async (admin) => {
    const old = (await admin.listTopics()).filter((name) => {
      if (!names.owns(name)) return false;
      const made = /^replies\.[A-Za-z0-9_-]*\.([0-9a-z]+)-[0-9a-f]+$/.exec(names.onBus(name))?.[1];
      return made !== undefined && now - Number.parseInt(made, 36) > ABANDONED_MS;
    });
    if (old.length === 0) return;
    const { groups } = await admin.describeGroups(old);
    const read = new Set(groups.filter((group) => group.members.length > 0).map((group) => group.groupId));
    const abandoned = old.filter((name) => !read.has(name));
    if (abandoned.length > 0) await admin.deleteTopics({ topics: abandoned });
  });
}
