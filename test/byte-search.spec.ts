import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteSearch } from './byte-search.js';

/** Text of 8 to 24 characters of a small alphabet, so that needles often begin alike. */
const texts = fc.stringMatching(/^[ab01]{8,24}$/);
const surroundings = fc.uint8Array({ maxLength: 200 });

describe('the search for texts in bytes', () => {
  it('finds each text wherever it stands, beside another that begins like it', () => {
    fc.assert(
      fc.property(texts, texts, surroundings, surroundings, (one, other, before, after) => {
        const haystack = Buffer.concat([before, Buffer.from(one), after, Buffer.from(other, 'utf16le')]);
        const hits = new ByteSearch({ one, other }).in('here', haystack);
        expect(hits.filter((hit) => hit.startsWith('one as it is in here'))).toHaveLength(1);
        expect(hits.filter((hit) => hit.startsWith('other in UTF-16LE in here'))).toHaveLength(1);
      }),
    );
  });

  it.each([
    ['hexadecimal', Buffer.from(Buffer.from('83729164').toString('hex'))],
    ['base64', Buffer.from(Buffer.from('x83729164').toString('base64'))],
    ['SHA-256', Buffer.from('a3b7d1e3c7ab', 'hex')],
  ])('tells %s from bytes without the text', (form, bytes) => {
    const search = new ByteSearch({ pin: '83729164' });
    expect(search.in('here', bytes).length > 0).toBe(form !== 'SHA-256');
    expect(search.in('here', Buffer.concat([Buffer.from('8372916'), bytes.subarray(0, 6)]))).toEqual([]);
  });

  it('finds a text at the very beginning, at the very end, and none in shorter bytes', () => {
    const search = new ByteSearch({ pin: '83729164' });
    expect(search.in('here', Buffer.from('83729164'))).toHaveLength(1);
    expect(search.in('here', Buffer.from('83729164xxxxxx'))).toHaveLength(1);
    expect(search.in('here', Buffer.from('xxxxxx83729164'))).toHaveLength(1);
    expect(search.in('here', Buffer.from('3729164'))).toEqual([]);
    expect(search.in('here', Buffer.alloc(0))).toEqual([]);
  });
});
