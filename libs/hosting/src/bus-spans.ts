import { HEADERS, type BusRecord, type ConsumedRecord } from '@countersign/messaging';
import { type SpanAttributes } from '@countersign/observability';

const REPLY_ADDRESS = /^replies\./;

/** The name of a topic where names must be few: every reply address is a topic of its own. */
export function topicLabel(topic: string): string {
  return REPLY_ADDRESS.test(topic) ? 'replies' : topic;
}

/** The bus below, by the name that the conventions have for it, or ours. */
export type BusSystem = 'kafka' | 'in_process';

/** What a span of a send says: OpenTelemetry's messaging conventions, without the key, which names a person. */
export function sendAttributes(system: BusSystem, record: BusRecord): SpanAttributes {
  return { ...common(system, record), 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' };
}

/** What a span of the handling of a record says; as {@link sendAttributes}. */
export function processAttributes(system: BusSystem, group: string, record: ConsumedRecord): SpanAttributes {
  return {
    ...common(system, record),
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.consumer.group.name': group,
    'messaging.destination.partition.id': String(record.partition),
    // An integer by the conventions; exact below 2^53, which no partition reaches.
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
