import { createHash } from 'node:crypto';
import { DEAD_LETTERS } from '@countersign/contracts';
import { ServiceError } from '@countersign/service';
import { type BusRecord, type ConsumedRecord } from './broker.js';
import { HEADERS } from './envelope.js';

/** The value of a dead letter: where the record lies and what it was, nothing of what was in it. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Empty when the record's own says none that looks like one. */
  readonly type: string;
  /** One of the error codes; INTERNAL for a bug. */
  readonly code: string;
  /** SHA-256 of the record's value, hex: to recognise it without keeping it. */
  readonly sha256: string;
}

const TYPE_PATTERN = /^[a-z0-9.-]{1,80}$/;

/** What the group writes instead of handling a record. */
export function deadLetter(record: ConsumedRecord, group: string, error: unknown): BusRecord {
  const code = error instanceof ServiceError ? error.code : 'INTERNAL';
  const type = record.headers[HEADERS.type] ?? '';
  const letter: DeadLetter = {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    type: TYPE_PATTERN.test(type) ? type : '',
    code,
    sha256: createHash('sha256').update(record.value).digest('hex'),
  };
  return {
    topic: DEAD_LETTERS.name,
    key: `${record.topic}/${record.partition}`,
    value: Buffer.from(JSON.stringify(letter)),
    headers: {
      'original-topic': record.topic,
      'original-partition': String(record.partition),
      'original-offset': record.offset,
      group,
      code,
      'error-class': error instanceof Error ? error.name : 'unknown',
    },
  };
}
