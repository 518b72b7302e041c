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
 * The record at an offset; undefined when it was removed. Uses a group of its own, which is deleted, because kafkajs
 * cannot read without a group.
 * @throws ServiceError INTERNAL when the topic is missing, BROKER_UNAVAILABLE (retriable)
 */
export async function readRecordAt(
  client: KafkaClient,
  names: TopicNames,
  place: { readonly topic: string; readonly partition: number; readonly offset: string },
): Promise<ConsumedRecord | undefined> {
  const { topic, partition, offset } = place;
  // Does not wait for an offset after the end. For an offset before the beginning, the first record has a higher
  // offset.
  const ends = await endOffsets(client, names, topic);
  if (Number(offset) >= (ends.get(partition) ?? 0)) return undefined;
  const name = names.inCluster(topic);
  const group = names.inCluster(`read.${randomUUID()}`);
  const consumer = client.consumer(group);
  let limit: NodeJS.Timeout | undefined;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [name], fromBeginning: true });
    return await new Promise<ConsumedRecord | undefined>((resolve, reject) => {
      limit = setTimeout(() => reject(new Error('not read in time')), LIMIT_MS);
      consumer.on(consumer.events.GROUP_JOIN, () => {
        const others = [...ends.keys()].filter((other) => other !== partition);
        if (others.length > 0) consumer.pause([{ topic: name, partitions: others }]);
        consumer.seek({ topic: name, partition, offset });
      });
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const run = consumer.run({
        autoCommit: false,
        eachBatch: ({ batch }) => {
          const first = batch.messages.find((message) => Number(message.offset) >= Number(offset));
          if (batch.partition !== partition || first === undefined) return Promise.resolve();
          resolve(first.offset === offset ? toConsumedRecord(topic, partition, first) : undefined);
          return Promise.resolve();
        },
      });
      run.catch(reject);
    });
  } catch (error) {
    throw brokerUnavailable('read a record', error);
  } finally {
    clearTimeout(limit);
    await consumer.disconnect().catch(() => undefined);
    await client.withAdmin((admin) => admin.deleteGroups([group])).catch(() => undefined);
  }
}
