/**
 * Encodes and decodes records in Kafka's format v2 (KIP-98) in one pass. kafkajs allocates and copies a zero-filled
 * buffer for each record and each header, counts in 64-bit objects, and reads headers in quadratic time: a third of the
 * processor time of a small record.
 */

/** A record to encode, as kafkajs passes it. */
export interface PlainRecord {
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key?: Buffer | string | null;
  readonly value?: Buffer | string | null;
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;
}
type HeaderValue = Buffer | string | null;

/** The result type that kafkajs expects of an encoder. */
export interface EncodedRecord {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

/** The members of the kafkajs decoder that are used here. */
export interface Cursor {
  readonly buffer: Buffer;
  offset: number;
}

/** The fields of the batch around a record. */
export interface BatchContext {
  readonly firstOffset?: string;
  readonly firstTimestamp?: string;
  readonly maxTimestamp?: string;
  readonly magicByte?: number;
  readonly isControlBatch?: boolean;
  readonly timestampType?: number;
}

export interface DecodedRecord {
  readonly magicByte: number | undefined;
  readonly attributes: number;
  readonly timestamp: string;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer | null | (Buffer | null)[]>;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
}

const LOG_APPEND_TIME = 1;
/** Cached header names, at most. Own names are few; the bound is for names that a sender chooses. */
const MAX_NAMES = 256;
const names = new Map<string, Buffer>();

export function encodeRecord(record: PlainRecord): EncodedRecord {
  const { offsetDelta = 0, timestampDelta = 0, key, value, headers = {} } = record;
  const pairs: { name: Buffer; value: HeaderValue; size: number }[] = [];
  let size = 1 + sizeOf(zigZag(timestampDelta)) + sizeOf(zigZag(offsetDelta)) + sizeOfBytes(key) + sizeOfBytes(value);
  for (const text of Object.keys(headers)) {
    const given = headers[text] as HeaderValue | readonly HeaderValue[];
    for (const one of Array.isArray(given) ? (given as readonly HeaderValue[]) : [given as HeaderValue]) {
      const name = nameOf(text);
      const length = lengthOf(one);
      pairs.push({ name, value: one, size: length });
      size += sizeOf(zigZag(name.length)) + name.length + sizeOf(zigZag(length)) + Math.max(0, length);
    }
  }
  size += sizeOf(zigZag(pairs.length));
  const bytes = Buffer.allocUnsafe(sizeOf(zigZag(size)) + size);
  let at = writeVarInt(bytes, 0, zigZag(size));
  bytes[at++] = 0;
  at = writeVarInt(bytes, at, zigZag(timestampDelta));
  at = writeVarInt(bytes, at, zigZag(offsetDelta));
  at = writeBytes(bytes, at, key, lengthOf(key));
  at = writeBytes(bytes, at, value, lengthOf(value));
  at = writeVarInt(bytes, at, zigZag(pairs.length));
  for (const pair of pairs) {
    at = writeBytes(bytes, at, pair.name, pair.name.length);
    at = writeBytes(bytes, at, pair.value, pair.size);
  }
  return { buf: bytes, buffer: bytes };
}

/** Decodes the record at the cursor: its body, without the length prefix. */
export function decodeRecord(cursor: Cursor, batch: BatchContext = {}): DecodedRecord {
  const { buffer } = cursor;
  const attributes = buffer.readInt8(cursor.offset++);
  const timestampDelta = readVarInt(cursor);
  const offsetDelta = readVarInt(cursor);
  const byBroker = batch.timestampType === LOG_APPEND_TIME && batch.maxTimestamp !== undefined;
  const timestamp = byBroker ? (batch.maxTimestamp ?? '') : String(Number(batch.firstTimestamp) + timestampDelta);
  const key = readBytes(cursor);
  const value = readBytes(cursor);
  const headers: DecodedRecord['headers'] = {};
  for (let remaining = readVarInt(cursor); remaining > 0; remaining--) {
    const name = readBytes(cursor)?.toString() ?? '';
    const one = readBytes(cursor);
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
    // Defined as an own property, because assigning `__proto__` would set the prototype.
    const now = before === undefined ? one : Array.isArray(before) ? [...before, one] : [before, one];
    Object.defineProperty(headers, name, { value: now, enumerable: true, configurable: true, writable: true });
  }
  return {
    magicByte: batch.magicByte,
    attributes,
    timestamp,
    offset: String(Number(batch.firstOffset) + offsetDelta),
    key,
    value,
    headers,
    isControlRecord: batch.isControlBatch ?? false,
    batchContext: batch,
  };
}

function nameOf(text: string): Buffer {
  const known = names.get(text);
  if (known !== undefined) return known;
  const created = Buffer.from(text);
  if (names.size < MAX_NAMES) names.set(text, created);
  return created;
}

/**
 * ZigZag coding: maps small signed numbers to small unsigned ones. Uses doubles, because a difference of times can
 * exceed 32 bits.
 */
function zigZag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function sizeOf(unsigned: number): number {
  let bytes = 1;
  for (let rest = unsigned; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function writeVarInt(bytes: Buffer, at: number, unsigned: number): number {
  let rest = unsigned;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** @throws RangeError past the end, as the kafkajs decoder does for a truncated record */
function readVarInt(cursor: Cursor): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = cursor.buffer.readUInt8(cursor.offset++);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
    factor *= 0x80;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** The length in bytes; -1 for null, as the format encodes it. */
function lengthOf(value: HeaderValue | undefined): number {
  if (value === null || value === undefined) return -1;
  return typeof value === 'string' ? Buffer.byteLength(value) : value.length;
}

function sizeOfBytes(value: HeaderValue | undefined): number {
  const length = lengthOf(value);
  return sizeOf(zigZag(length)) + Math.max(0, length);
}

function writeBytes(bytes: Buffer, at: number, value: HeaderValue | undefined, length: number): number {
  at = writeVarInt(bytes, at, zigZag(length));
  if (value === null || value === undefined) return at;
  if (typeof value === 'string') bytes.write(value, at);
  else value.copy(bytes, at);
  return at + length;
}

function readBytes(cursor: Cursor): Buffer | null {
  const length = readVarInt(cursor);
  if (length < 0) return null;
  const end = cursor.offset + length;
  if (end > cursor.buffer.length) throw new RangeError('a record ends in the middle of a field');
  const bytes = cursor.buffer.subarray(cursor.offset, end);
  cursor.offset = end;
  return bytes;
}
