import fc from 'fast-check';
import { unstorableJson, unstorableText } from './storable-json.js';

const NUL = 'must not hold the character NUL';
const HALF = 'must not hold half of a surrogate pair';

describe('a text to store', () => {
  it.each([
    ['a\0b', NUL],
    ['\ud800', HALF],
    ['\udfff', HALF],
    ['a\udc00\ud800b', HALF],
    ['\ud83d', HALF],
  ])('is refused as %j', (text, rule) => expect(unstorableText(text)).toBe(rule));

  it.each(['', 'Ann', '\ud83d\ude00', '\ufffd', '\u0001', '𠮷野家'])('is accepted as %j', (text) =>
    expect(unstorableText(text)).toBeUndefined(),
  );

  it('is refused exactly when it contains NUL or changes in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const survives = Buffer.from(text, 'utf8').toString('utf8') === text && !text.includes('\0');
        expect(unstorableText(text) === undefined).toBe(survives);
      }),
    );
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 6 }), (units) => {
        const text = String.fromCharCode(...units);
        const survives = Buffer.from(text, 'utf8').toString('utf8') === text && !text.includes('\0');
        expect(unstorableText(text) === undefined).toBe(survives);
      }),
      { examples: [[Uint16Array.of(0xd800)], [Uint16Array.of(0xdc00, 0xd800)], [Uint16Array.of(0xd83d, 0xde00)]] },
    );
  });
});

describe('a JSON value to store', () => {
  it.each([
    [{ texts: { 'en-US': { verified: '\ud800' } } }, 'policy.texts.en-US.verified', HALF],
    [{ functions: ['verify_pin', 'a\0'] }, 'policy.functions[1]', NUL],
    [{ transfers: { 'a b': '\udc00' } }, 'policy.transfers', HALF],
    [{ texts: { '\ud800': {} } }, 'policy.texts', `has a field whose name ${HALF}`],
    [{ transfers: { 'a\0': 'x' } }, 'policy.transfers', `has a field whose name ${NUL}`],
  ])('%j is refused with the field %s', (value, field, rule) => {
    expect(unstorableJson(value, 'policy', 8)).toEqual({ field, rule });
  });

  it('is accepted up to the depth limit and refused beyond it, at any depth', () => {
    const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
    expect(unstorableJson(nested(8), 'policy', 8)).toBeUndefined();
    expect(unstorableJson(nested(9), 'policy', 8)).toMatchObject({ field: 'policy' });
    expect(unstorableJson(nested(5000), 'policy', 8)).toMatchObject({ field: 'policy' });
  });
});
