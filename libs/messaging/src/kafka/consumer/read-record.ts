import { type KafkaMessage } from 'kafkajs';
import { type ConsumedRecord } from '../../broker.js';

const NOTHING = Buffer.alloc(0);

/** A record as kafkajs read it, as the bus shows it. Headers are text; of a repeated header the first one counts. */
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
    value: message.value ?? NOTHING,
    headers,
    timestamp: Number(message.timestamp),
  };
}
