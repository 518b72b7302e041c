import fc from 'fast-check';
import { wholeDigits, withDigitsAsText, withoutRounding } from './exact-numbers.js';

describe('the digits of a JSON number', () => {
  it.each([
    ['0', '0'],
    ['4829', '4829'],
    ['0427', '0427'],
    ['4829.0', '4829'],
    ['4829.000', '4829'],
    ['4.829e3', '4829'],
    ['4.829E+3', '4829'],
    ['48290e-1', '4829'],
    ['1e3', '1000'],
    ['0e5', '0'],
    ['0.4829e4', '4829'],
    ['9007199254740993', '9007199254740993'],
    ['9.007199254740993e15', '9007199254740993'],
    ['12345678901234567890123456789', '12345678901234567890123456789'],
  ])('of %s are %s', (literal, digits) => expect(wholeDigits(literal)).toBe(digits));

  it.each([
    '-1',
    '4829.5',
    '4829.00000000000000000001',
    '5e-1',
    '1e400',
    '1e9999999999',
    `1${'0'.repeat(128)}`,
    '',
    'x',
  ])('do not exist for %s', (literal) => expect(wholeDigits(literal)).toBeUndefined());

  it('are exact for every number in every notation', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 40n }), fc.integer({ min: 0, max: 40 }), (value, shift) => {
        const digits = String(value);
        expect(wholeDigits(digits)).toBe(digits);
        expect(wholeDigits(`${digits}.${'0'.repeat(shift + 1)}`)).toBe(digits);
        expect(wholeDigits(`${digits}${'0'.repeat(shift)}e-${shift}`)).toBe(digits);
        const [first = '', rest = ''] = [digits.slice(0, 1), digits.slice(1)];
        expect(wholeDigits(rest === '' ? first : `${first}.${rest}e${rest.length}`)).toBe(digits);
      }),
    );
  });
});

describe('JSON whose numbers must not be rounded', () => {
  const read = (json: string): unknown => JSON.parse(withoutRounding(json));

  it('keeps its meaning when no number would be rounded', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        const safe = !/[0-9]{16}|e/.test(json.replace(/"(?:[^"\\]|\\.)*"/g, ''));
        if (safe) expect(read(json)).toEqual(JSON.parse(json));
      }),
      { numRuns: 1000 },
    );
  });

  it('has a fraction in place of each number that would be rounded, and unchanged strings', () => {
    expect(read('[9007199254740993,-9007199254740993,1e400,3.00000000000000000001,10.0,1e2,20e-1,-7,0.25]')).toEqual([
      0.5, 0.5, 0.5, 0.5, 10, 100, 2, -7, 0.25,
    ]);
    expect(read('{"9007199254740993":"\\"9007199254740993","a\\\\":9007199254740993}')).toEqual({
      '9007199254740993': '"9007199254740993',
      'a\\': 0.5,
    });
  });

  it('has whole numbers as the text of their digits when requested', () => {
    expect(JSON.parse(withDigitsAsText('{"a":0427,"b":9007199254740993,"c":[4829.0],"d":-1,"e":4829.5}'))).toEqual({
      a: '0427',
      b: '9007199254740993',
      c: ['4829'],
      d: -1,
      e: 4829.5,
    });
  });

  it('is processed in one pass for any content', () => {
    const hostile = ['"'.repeat(262_144), '\\"'.repeat(131_072), `"${'\\"'.repeat(131_072)}`, '-'.repeat(262_144)];
    for (const json of hostile) expect(withoutRounding(json)).toBe(json);
    expect(withoutRounding('1'.repeat(262_144))).toBe('0.5');
  });
});
