import { randomBytes } from 'node:crypto';
import { REPLY_TOPICS } from '../../envelope/envelope.js';
import { type KafkaClient } from '../kafka-client.js';
import { BY_BROKER } from './topic-admin.js';
import { type TopicNames } from './topic-names.js';

/** Reply topics older than this, that nobody reads, belong to a process that died. */
const ABANDONED_MS = 600_000;
const SHOWN_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 50;

export const isReplyTopic = (topic: string): boolean => topic.startsWith(REPLY_TOPICS);

/**
 * A name that nobody else has, with the time of its making in it.
 * @param owner names the kind of process, for people who look at the cluster
 */
export function replyTopicName(owner: string): string {
  const readable = owner.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 40);
  return `${REPLY_TOPICS}${readable}.${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
}

/** Makes the topic and waits until it can be written to. @throws Error of kafkajs, or when that takes too long */
export async function createReplyTopic(client: KafkaClient, name: string, replication: number): Promise<void> {
  const entries = { 'retention.ms': '300000', 'segment.ms': '60000', ...BY_BROKER };
  const configEntries = Object.entries(entries).map(([key, value]) => ({ name: key, value }));
  await client.withAdmin((admin) =>
    admin.createTopics({
      topics: [{ topic: name, numPartitions: 1, replicationFactor: replication, configEntries }],
      // kafkajs' own wait gives up when a busy broker does not show the new topic at its first look.
      waitForLeaders: false,
    }),
  );
  const until = Date.now() + SHOWN_WITHIN_MS;
  while (!(await client.reaches([name]))) {
    if (Date.now() > until) throw new Error('the brokers do not show a topic that they have made');
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/**
 * Removes the reply topics that dead processes left behind: old by the time in the name, and without a reader (the group
 * of a reader has the name of the topic).
 * @param now milliseconds since 1970
 */
export async function removeAbandonedReplyTopics(client: KafkaClient, names: TopicNames, now: number): Promise<void> {
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
