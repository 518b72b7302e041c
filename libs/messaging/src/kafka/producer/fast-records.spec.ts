import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeRecord, encodeRecord, type BatchContext, type Cursor, type PlainRecord } from './fast-records.js';

const load = createRequire(import.meta.url);
/** The originals of kafkajs: this module registry loads them before the repairs replace them. */
const ownEncode = load('kafkajs/src/protocol/recordBatch/record/v0/index.js') as (record: PlainRecord) => {
  buffer: Buffer;
};
const ownDecode = load('kafkajs/src/protocol/recordBatch/record/v0/decoder.js') as (
  cursor: object,
  batch: BatchContext,
) => object;
const Decoder = load('kafkajs/src/protocol/decoder.js') as new (buffer: Buffer) => Cursor & { readVarInt(): number };

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  fc.string({ maxLength: 200, unit: 'grapheme' }),
);
const record: fc.Arbitrary<PlainRecord> = fc.record({
  offsetDelta: fc.nat({ max: 1_000_000 }),
  timestampDelta: fc.integer({ min: -1_000_000, max: 100_000_000_000 }),
  key: fc.oneof(bytes, fc.constant(null)),
  value: fc.oneof(bytes, fc.constant(null)),
  headers: fc.dictionary(
    // kafkajs takes a member that every object inherits for an earlier header.
    fc.string({ minLength: 1, maxLength: 20 }).filter((name) => !(name in Object.prototype)),
    fc.oneof(bytes, fc.array(bytes, { maxLength: 3 })),
    { maxKeys: 6 },
  ),
});
const batch: BatchContext = {
  firstOffset: '123456789012',
  firstTimestamp: '1764000000000',
  maxTimestamp: '1764000000999',
  magicByte: 2,
  isControlBatch: false,
  timestampType: 0,
};
/** The record without its length prefix. */
function bodyOf(encoded: Buffer): Buffer {
  const decoder = new Decoder(encoded);
  decoder.readVarInt();
  return encoded.subarray(decoder.offset);
}

describe('fast records', () => {
  it('encodes any record to the same bytes as kafkajs', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(encodeRecord(one).buffer.equals(ownEncode(one).buffer)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('decodes any record like kafkajs, with producer time and with broker time', () => {
    fc.assert(
      fc.property(record, fc.boolean(), (one, byBroker) => {
        const body = bodyOf(ownEncode(one).buffer);
        const context = { ...batch, timestampType: byBroker ? 1 : 0 };
        expect(decodeRecord({ buffer: body, offset: 0 }, context)).toEqual(ownDecode(new Decoder(body), context));
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not set the prototype by a header name, and reads no header from the prototype', () => {
    const odd = { ['__proto__']: 'x', constructor: 'c', type: 't' };
    const body = bodyOf(encodeRecord({ key: 'k', value: 'v', headers: odd }).buffer);
    const { headers } = decodeRecord({ buffer: body, offset: 0 }, batch);
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect([headers['constructor'], headers['type']]).toEqual([Buffer.from('c'), Buffer.from('t')]);
  });

  it('throws on a truncated record', () => {
    const body = bodyOf(encodeRecord({ key: 'key', value: 'value', headers: { type: 'some.type.v1' } }).buffer);
    for (let length = 0; length < body.length; length++) {
      expect(() => decodeRecord({ buffer: body.subarray(0, length), offset: 0 }, batch)).toThrow();
    }
  });
});
