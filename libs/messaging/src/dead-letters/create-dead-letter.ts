import { createHash } from 'node:crypto';
import { DeadLettered, message } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { v5 as nameUuid } from 'uuid';
import { type BusRecord, type ConsumedRecord } from '../broker.js';
import { HEADERS, toRecord } from '../envelope/envelope.js';

const TYPE_PATTERN = /^[a-z0-9.-]{1,80}$/;
/** Namespace of the ids of dead letters (RFC 9562, section 6.6). */
const LETTER_IDS = '2b1f3c64-8a0e-4c57-9d0b-6f1f7a7c5e21';

/**
 * The dead letter that a group writes instead of handling a record.
 * @param now milliseconds since 1970
 */
export function createDeadLetter(record: ConsumedRecord, group: string, error: unknown, now: number): BusRecord {
  const code = error instanceof ServiceError ? error.code : 'INTERNAL';
  const type = record.headers[HEADERS.type] ?? '';
  const sha256 = createHash('sha256').update(record.value).digest('hex');
  // The same record of the same group always has the same id, so a repeated dead letter is recognized.
  const letterId = nameUuid(JSON.stringify([group, record.topic, record.partition, record.offset, sha256]), LETTER_IDS);
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
