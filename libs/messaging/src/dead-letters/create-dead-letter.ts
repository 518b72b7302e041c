import { createHash } from 'node:crypto';
import { DeadLettered, message } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type BusRecord, type ConsumedRecord } from '../broker.js';
import { HEADERS, toRecord } from '../envelope/envelope.js';

const TYPE_PATTERN = /^[a-z0-9.-]{1,80}$/;

/**
 * The dead letter that a group writes instead of handling a record.
 * @param now milliseconds since 1970
 */
export function createDeadLetter(record: ConsumedRecord, group: string, error: unknown, now: number): BusRecord {
  const code = error instanceof ServiceError ? error.code : 'INTERNAL';
  const type = record.headers[HEADERS.type] ?? '';
  const sha256 = createHash('sha256').update(record.value).digest('hex');
  const letterId = uuidFromHash(`${group}\n${record.topic}\n${record.partition}\n${record.offset}\n${sha256}`);
  const deadLetter = message(DeadLettered, {
    letterId,
    time: new Date(now).toISOString(),
    group,
    recordTopic: record.topic,
    partition: record.partition,
    offset: record.offset,
    ...(TYPE_PATTERN.test(type) ? { recordType: type } : {}),
    code,
    errorClass: error instanceof Error ? error.name.slice(0, 100) : 'unknown',
    sha256,
  });
  const headers = {
    'original-topic': record.topic,
    'original-partition': String(record.partition),
    'original-offset': record.offset,
    group,
    code,
    [HEADERS.id]: letterId,
  };
  return toRecord({ message: deadLetter, headers });
}

/** A UUID of version 8 (RFC 9562, section 5.8) derived from a hash: the same text gives the same UUID. */
function uuidFromHash(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
