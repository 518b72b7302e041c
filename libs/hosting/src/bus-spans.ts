import { HEADERS, type BusRecord, type ConsumedRecord } from '@countersign/messaging';
import { type SpanAttributes } from '@countersign/observability';

const REPLY_ADDRESS = /^replies\./;

/** The topic as a label of a metric. Every reply address is a topic, so all share one label. */
export function topicLabel(topic: string): string {
  return REPLY_ADDRESS.test(topic) ? 'replies' : topic;
}

/** `messaging.system` of OpenTelemetry's conventions; they have no name for the in-process bus. */
export type BusSystem = 'kafka' | 'in_process';

/** Attributes of a send, by OpenTelemetry's messaging conventions. Without the key, which identifies a person. */
export function sendAttributes(system: BusSystem, record: BusRecord): SpanAttributes {
  return { ...common(system, record), 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' };
}

/** Attributes of the handling of a record; see {@link sendAttributes}. */
export function processAttributes(system: BusSystem, group: string, record: ConsumedRecord): SpanAttributes {
  return {
    ...common(system, record),
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.consumer.group.name': group,
    'messaging.destination.partition.id': String(record.partition),
    // The conventions demand an integer. Exact below 2^53, which no partition reaches.
    'messaging.kafka.offset': Number(record.offset),
  };
}

function common(system: BusSystem, { topic, headers }: BusRecord): SpanAttributes {
  const conversation = headers[HEADERS.correlationId];
  const id = headers[HEADERS.id];
  return {
    'messaging.system': system,
    'messaging.destination.name': topic,
    ...(REPLY_ADDRESS.test(topic) ? { 'messaging.destination.temporary': true } : {}),
    ...(conversation === undefined ? {} : { 'messaging.message.conversation_id': conversation }),
    ...(id === undefined ? {} : { 'messaging.message.id': id }),
  };
}
