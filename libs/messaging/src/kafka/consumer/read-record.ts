import { type KafkaMessage } from 'kafkajs';
import { type ConsumedRecord } from '../../broker.js';

const EMPTY = Buffer.alloc(0);

/** Converts a record from kafkajs. Headers are text; of a repeated header the first value counts. */
export function readRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
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
