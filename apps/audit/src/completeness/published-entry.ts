import { hash } from 'node:crypto';
import { type ConsumedRecord } from '@countersign/messaging';
import { type PublishedEntry } from './completeness.ports.js';

/** The entry of a published event. Undefined: an earlier build published it without an index, or its index is none. */
export function readPublishedEntry({
  headers,
  value,
}: Pick<ConsumedRecord, 'headers' | 'value'>): PublishedEntry | undefined {
  const sequence = headers['ce_sequence'];
  const index = sequence !== undefined && /^\d{1,20}$/.test(sequence) ? Number(sequence) : NaN;
  return Number.isSafeInteger(index) ? { index, sha256: hash('sha256', value, 'buffer') } : undefined;
}
