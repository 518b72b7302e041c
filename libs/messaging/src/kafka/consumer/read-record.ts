import { randomUUID } from 'node:crypto';
import { type KafkaMessage } from 'kafkajs';
import { type ConsumedRecord } from '../../broker.js';
import { brokerUnavailable } from '../../request-reply/bus-errors.js';
import { type KafkaClient } from '../kafka-client.js';
import { endOffsets } from '../admin/topic-admin.js';
import { type TopicNames } from '../admin/topic-names.js';

/** How long a read of one record may take, in milliseconds. */
const LIMIT_MS = 20_000;
const EMPTY = Buffer.alloc(0);

/** Converts a record of kafkajs. Headers are text; of a repeated header the first value counts. */
export function toConsumedRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
  const headers: Record<string, string> = {};
  for (const name in message.headers) {
    const value = message.headers[name];
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) headers[name] = first.toString();
  }
  return {
    topic,
    partition,
    offset: message.offset,
    key: message.key?.toString() ?? '',
    value: message.value ?? EMPTY,
    headers,
    timestamp: Number(message.timestamp),
  };
}

/**
 * The record at an offset; undefined when it was removed.
 * @throws ServiceError INTERNAL when the topic is missing, BROKER_UNAVAILABLE (retriable)
 */
export async function readRecordAt(
  client: KafkaClient,
  names: TopicNames,
  place: { readonly topic: string; readonly partition: number; readonly offset: string },
): Promise<ConsumedRecord | undefined> {
  const { topic, partition, offset } = place;
  const ends = await endOffsets(client, names, topic);
  const range = { topic, partition, from: Number(offset), to: Number(offset) + 1 };
  if (range.from >= (ends.get(partition) ?? 0)) return undefined;
  const [record] = await readRange(client, names, `read.${randomUUID()}`, range, ends);
  return record?.offset === offset ? record : undefined;
}

/**
 * The newest records of a topic with one partition, the oldest first. Has the rights of a follower of the topic.
 * @throws ServiceError INTERNAL when the topic is missing, BROKER_UNAVAILABLE (retriable)
 */
export async function readNewestRecords(
  client: KafkaClient,
  names: TopicNames,
  topic: string,
  count: number,
): Promise<ConsumedRecord[]> {
  const ends = await endOffsets(client, names, topic);
  const to = ends.get(0) ?? 0;
  if (to === 0) return [];
  const range = { topic, partition: 0, from: Math.max(0, to - count), to };
  return readRange(client, names, `follow.${topic}.${randomUUID()}`, range, ends);
}

/**
 * Reads until an offset, which must not be after the end: that would wait for it. For an offset before the beginning, the first
 * record has a higher offset. Uses a group of its own, which is deleted, because kafkajs cannot read without a group.
 */
async function readRange(
  client: KafkaClient,
  names: TopicNames,
  groupId: string,
  range: { readonly topic: string; readonly partition: number; readonly from: number; readonly to: number },
  ends: ReadonlyMap<number, number>,
): Promise<ConsumedRecord[]> {
  const { topic, partition, from, to } = range;
  const name = names.inCluster(topic);
  const group = names.inCluster(groupId);
  const consumer = client.consumer(group, { isOnlyMember: true });
  const found: ConsumedRecord[] = [];
  let limit: NodeJS.Timeout | undefined;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [name], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      limit = setTimeout(() => reject(new Error('not read in time')), LIMIT_MS);
      consumer.on(consumer.events.GROUP_JOIN, () => {
        const others = [...ends.keys()].filter((other) => other !== partition);
        if (others.length > 0) consumer.pause([{ topic: name, partitions: others }]);
        consumer.seek({ topic: name, partition, offset: String(from) });
      });
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const run = consumer.run({
        autoCommit: false,
        eachBatch: ({ batch }) => {
          if (batch.partition !== partition) return Promise.resolve();
          for (const message of batch.messages) {
            const offset = Number(message.offset);
            // A batch can be fetched again after a rebalance, and one from before the seek can still arrive.
            if (offset < from || offset >= to || offset <= Number(found.at(-1)?.offset ?? -1)) continue;
            found.push(toConsumedRecord(topic, partition, message));
          }
          if (Number(batch.lastOffset()) >= to - 1) resolve();
          return Promise.resolve();
        },
      });
      run.catch(reject);
    });
    return found;
  } catch (error) {
    throw brokerUnavailable('read a record', error);
  } finally {
    clearTimeout(limit);
    await consumer.disconnect().catch(() => undefined);
    await client.withAdmin((admin) => admin.deleteGroups([group])).catch(() => undefined);
  }
}
