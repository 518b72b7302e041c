import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BlockReader } from './event-blocks.js';

const TEXT = 'id: 7\nevent: attempt.decided\ndata: {"a":1}\n\nid: 9\n\n: comment\n\ndata: x\r\ndata: y\r\n\r\n';
const BLOCKS = [
  { id: '7', data: '{"a":1}' },
  { id: '9', data: undefined },
  { id: undefined, data: undefined },
  { id: undefined, data: 'x\ny' },
];

it('reads the same blocks of a stream of events however it is cut', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: TEXT.length }), { maxLength: 12 }), (cuts) => {
      const reader = new BlockReader();
      const ends = [...cuts, TEXT.length].sort((a, b) => a - b);
      const parts = ends.map((end, index) => TEXT.slice(ends[index - 1] ?? 0, end));
      expect(parts.flatMap((part) => reader.read(part))).toEqual(BLOCKS);
    }),
  );
});

it('refuses a block that would fill the memory of the browser', () => {
  const reader = new BlockReader();
  expect(reader.read('x'.repeat(999_999))).toEqual([]);
  expect(() => reader.read('xx')).toThrow('too long');
});
