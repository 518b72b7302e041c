import { randomBytes } from 'node:crypto';
import { REPLY_TOPIC_PREFIX } from '../../envelope/envelope.js';
import { type KafkaClient } from '../kafka-client.js';
import { LOG_APPEND_TIME_CONFIG } from './topic-admin.js';
import { type TopicNames } from './topic-names.js';

/** Reply topics older than this without a reader belong to a dead process, in milliseconds. */
const ABANDONED_MS = 600_000;
const VISIBLE_LIMIT_MS = 10_000;
const VISIBLE_POLL_MS = 50;

export const isReplyTopic = (topic: string): boolean => topic.startsWith(REPLY_TOPIC_PREFIX);

/**
 * A unique name with the creation time in it.
 * @param owner names the kind of process, for people who look at the cluster
 */
export function replyTopicName(owner: string): string {
  const readable = owner.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 40);
  return `${REPLY_TOPIC_PREFIX}${readable}.${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
}

/**
 * Creates the topic and waits until it can be written to.
 * @throws Error of kafkajs, or when that takes too long
 */
export async function createReplyTopic(client: KafkaClient, name: string, replication: number): Promise<void> {
  const entries = { 'retention.ms': '300000', 'segment.ms': '60000', ...LOG_APPEND_TIME_CONFIG };
  const configEntries = Object.entries(entries).map(([key, value]) => ({ name: key, value }));
  await client.withAdmin((admin) =>
    admin.createTopics({
      topics: [{ topic: name, numPartitions: 1, replicationFactor: replication, configEntries }],
      // The wait in kafkajs gives up when a busy broker does not list the new topic at the first request.
      waitForLeaders: false,
    }),
  );
  const until = Date.now() + VISIBLE_LIMIT_MS;
  while (!(await client.reaches([name]))) {
    if (Date.now() > until) throw new Error('the brokers do not list a topic that they have created');
    await new Promise((resolve) => setTimeout(resolve, VISIBLE_POLL_MS));
  }
}

/**
 * Deletes the reply topics of dead processes: old by the time in the name, and without a reader (a reader's group has
 * the name of the topic).
 * @param now milliseconds since 1970
 */
export async function removeAbandonedReplyTopics(client: KafkaClient, names: TopicNames, now: number): Promise<void> {
  await client.withAdmin(async (admin) => {
    const old = (await admin.listTopics()).filter((name) => {
      if (!names.owns(name)) return false;
      const createdAt = /^replies\.[A-Za-z0-9_-]*\.([0-9a-z]+)-[0-9a-f]+$/.exec(names.onBus(name))?.[1];
      return createdAt !== undefined && now - Number.parseInt(createdAt, 36) > ABANDONED_MS;
    });
    if (old.length === 0) return;
    const { groups } = await admin.describeGroups(old);
    const read = new Set(groups.filter((group) => group.members.length > 0).map((group) => group.groupId));
    const abandoned = old.filter((name) => !read.has(name));
    if (abandoned.length > 0) await admin.deleteTopics({ topics: abandoned });
  });
}
