import fc from 'fast-check';
import { pinFrom } from './spoken-digits.js';

const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const SCRIPTS = [
  'latn',
  'fullwide',
  'arab',
  'arabext',
  'deva',
  'beng',
  'thai',
  'khmr',
  'mathbold',
  'mathmono',
  'segment',
];

const digit = fc.integer({ min: 0, max: 9 });
const pin = fc.array(digit, { minLength: 4, maxLength: 8 }).map((digits) => digits.join(''));
const separator = fc.constantFrom(' ', '  ', '-', '.', ', ', '\u2013', '\u2014 ', '\n', '\u00a0');

describe('pinFrom', () => {
  it.each<[unknown, string]>([
    ['0427', '0427'],
    ['0 4 2 7', '0427'],
    ['04-27', '0427'],
    ['0.4.2.7.', '0427'],
    [' 4,217 ', '4217'],
    ['\uff10\uff14\uff12\uff17', '0427'],
    ['\u0660\u0664\u0662\u0667', '0427'],
    ['oh four two seven', '0427'],
    ['Zero-Four-Two-Seven', '0427'],
    ['O 4 2 7', '0427'],
    ['double five one two', '5512'],
    ['triple two 9', '2229'],
    ['double oh 1 2', '0012'],
    ['double 5 double 6', '5566'],
    ['forty two seventeen', '4217'],
    ['forty-two seventeen', '4217'],
    ['twenty twenty six', '2026'],
    ['nineteen eighty four', '1984'],
    ['ninety oh one', '9001'],
    ['four two ten', '4210'],
    ['forty double two', '4022'],
    ['twenty twelve', '2012'],
    ['six six six six', '6666'],
    ['12345678', '12345678'],
    [4217, '4217'],
    [12345678, '12345678'],
  ])('reads %j as %s', (argument, expected) => {
    expect(pinFrom(argument)).toBe(expected);
  });

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['separators alone', ' - . ,'],
    ['three digits', '123'],
    ['nine digits', '123456789'],
    ['an integer that lost too many zeros', 42],
    ['a long integer', 123456789],
    ['a fraction', 12.34],
    ['a negative number', -1234],
    ['no number', Number.NaN],
    ['an endless number', Infinity],
    ['null', null],
    ['nothing at all', undefined],
    ['true', true],
    ['a list', ['1234']],
    ['an object', { pin: '1234' }],
    ['a sentence around it', 'my pin is 1234'],
    ['words that sound like digits', 'for to ate won'],
    ['hundreds', 'four hundred twenty seven'],
    ['an ordinal', '1st 2nd 3rd 4th'],
    ['words in one', 'fourtwoseveneight'],
    ['twenty and a figure', '1 2 twenty 5'],
    ['ten and a figure', '1 2 ten 5'],
    ['double of nothing', 'four two seven double'],
    ['double of a tens word', 'double twenty'],
    ['double of a group', 'double 55'],
    ['double double', 'double double five'],
    ['a power', '427\u00b2'],
    ['circled digits', '\u2460\u2461\u2462\u2463'],
    ['a half', '123\u00bd'],
    ['a plus sign', '+1234'],
    ['a fence', '1234#'],
    ['a name of the language', 'constructor __proto__ toString'],
    ['a capital that grows', '\u0130234'],
    ['a long text', ' '.repeat(300) + '1234'],
  ])('takes %s for no PIN', (_, argument) => {
    expect(pinFrom(argument)).toBeUndefined();
  });

  it('reads digits with any separators between them', () => {
    fc.assert(
      fc.property(pin, fc.array(separator, { minLength: 8, maxLength: 8 }), (digits, between) => {
        expect(pinFrom([...digits].map((one, at) => one + (between[at] ?? '')).join(''))).toBe(digits);
      }),
    );
  });

  it('reads the digits of every script, as the platform library writes them', () => {
    fc.assert(
      fc.property(pin, fc.constantFrom(...SCRIPTS), (digits, numberingSystem) => {
        const format = new Intl.NumberFormat('en', { numberingSystem });
        expect(pinFrom([...digits].map((one) => format.format(Number(one))).join(''))).toBe(digits);
      }),
    );
  });

  it('reads one word for each digit, in any case', () => {
    fc.assert(
      fc.property(pin, separator, fc.boolean(), (digits, between, loud) => {
        const said = [...digits].map((one) => WORDS[Number(one)]).join(between);
        expect(pinFrom(loud ? said.toUpperCase() : said)).toBe(digits);
      }),
    );
  });

  it('gives 4 to 8 ASCII digits or nothing, whatever it gets', () => {
    const speech = fc
      .array(fc.constantFrom(...WORDS, 'double', 'triple', 'forty', 'ten', 'oh', '7', '42', 'x', '-'))
      .map((w) => w.join(' '));
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string(), fc.string({ unit: 'binary' }), speech), (argument) => {
        expect(pinFrom(argument) ?? '0000').toMatch(/^[0-9]{4,8}$/);
      }),
      { numRuns: 2000 },
    );
  });

  it('needs no more time for a hostile text than for a PIN', () => {
    const texts = [' '.repeat(1e6), 'double '.repeat(1e5), '\u0661'.repeat(1e6), '-1'.repeat(128)];
    const begin = process.hrtime.bigint();
    for (const text of texts) expect(pinFrom(text)).toBeUndefined();
    expect(Number(process.hrtime.bigint() - begin) / 1e6).toBeLessThan(100);
  });
});
