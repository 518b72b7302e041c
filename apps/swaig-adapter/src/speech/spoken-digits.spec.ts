import { jest } from '@jest/globals';
import fc from 'fast-check';
import { readPin, readSpokenDigits } from './spoken-digits.js';

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

describe('readPin', () => {
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
    ['4829#', '4829'],
    ['4829*', '4829'],
    ['#4829##', '4829'],
    ['\uff14\uff18\uff12\uff19\uff03', '4829'],
    ['DTMF: 4829#', '4829'],
    ['dtmf digits: 4 8 2 9 #', '4829'],
    ['DTMF_4829', '4829'],
    ['[DTMF] 4829', '4829'],
    ['PIN=4829', '4829'],
    ['pin is 4829', '4829'],
    ['My PIN is "48 29".', '4829'],
    ["It's four eight two nine, please.", '4829'],
    ['four eight two nine pound', '4829'],
    ['four eight two nine, then press the hash key', '4829'],
    ['Mi PIN es 4829, por favor', '4829'],
    ['cuatro ocho dos nueve almohadilla', '4829'],
    ["C'est quatre, huit, deux, neuf, di\u00e8se", '4829'],
    ['Meine PIN lautet vier acht zwo neun Raute', '4829'],
    ['4829.0', '4829'],
    ['4829.00', '4829'],
    ['\u0664\u0668\u0662\u0669\u066b\u0660', '4829'],
    ['4\u2212829', '4829'],
    ["4'829", '4829'],
    ['48/29', '4829'],
    ['\u200f\u202a4829\u202c', '4829'],
    ['4\u200b8\u200c2\u200d9\ufeff', '4829'],
    ['4\ufe0f\u20e38\ufe0f\u20e32\ufe0f\u20e39\ufe0f\u20e3', '4829'],
    ['treble five two', '5552'],
    ['nought nought four two', '0042'],
    ['naught one aught two', '0102'],
    ['nil four two seven', '0427'],
    ['fower niner fife tree', '4953'],
    ['two fives one two', '5512'],
    ['three 5s 9', '5559'],
    ["2 5's 9 9", '5599'],
    ["three o's seven", '0007'],
    ['quadruple two', '2222'],
    ['a pair of fives, a pair of sixes', '5566'],
    ['double noughts 1 2', '0012'],
    ['one two fives 4', '1554'],
    ['doble cinco uno dos', '5512'],
    ['cu\u00e1druple cero', '0000'],
    ['dos veces el cinco uno dos', '5512'],
    ['dos cincos tres sietes', '55777'],
    ['un par de cincos uno dos', '5512'],
    ['deux fois le cinq un deux', '5512'],
    ['double cinq trois fois z\u00e9ro', '55000'],
    ['deux z\u00e9ros une deux', '0012'],
    ['zweimal f\u00fcnf zwo eins', '5521'],
    ['zwei mal die f\u00fcnf eins zwo', '5512'],
    ['Doppelnull doppelt sieben', '0077'],
    ['dreifach neun eins', '9991'],
    ['zwei Nullen drei Siebenen', '00777'],
  ])('reads %j as %s', (argument, expected) => {
    expect(readPin(argument)).toBe(expected);
  });

  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['separators alone', ' - . ,'],
    ['three digits', '123'],
    ['nine digits', '123456789'],
    ['an integer that lost too many zeros', 42],
    ['a long integer', 123456789],
    ['a fraction', 12.34],
    ['a negative number', -1234],
    ['NaN', Number.NaN],
    ['infinity', Infinity],
    ['null', null],
    ['undefined', undefined],
    ['true', true],
    ['a list', ['1234']],
    ['an object', { pin: '1234' }],
    ['a sentence with a word that is not removed', 'my pin is not 1234'],
    ['a second number before it', 'pin 2: 4829'],
    ['a second number after it', '4829 or 4830'],
    ['a correction', '4829 no 4830'],
    ['a decimal part', '4829.5e'],
    ['too few digits with a decimal part of zero', '482.0'],
    ['a decimal part of zero with a comma', '4829,0'],
    ['thousands, or a decimal part of zero', '48,000'],
    ['separate digits and a decimal part of zero', '4 8 2 9.0'],
    ['an exponent', '4.829e3'],
    ['a key in the middle', '48#29'],
    ['a plural alone', 'four eight fives'],
    ['a plural of a pair', 'twenty two fives'],
    ['a multiplication that has two readings', 'two times five one two'],
    ['twelve times a digit', '12 fives'],
    ['words that sound like digits', 'for to ate won'],
    ['hundreds', 'four hundred twenty seven'],
    ['an ordinal', '1st 2nd 3rd 4th'],
    ['words without spaces', 'fourtwoseveneight'],
    ['"twenty" and a written digit', '1 2 twenty 5'],
    ['"ten" and a written digit', '1 2 ten 5'],
    ['"double" without a digit', 'four two seven double'],
    ['"double" before a multiple of ten', 'double twenty'],
    ['"double" before two digits', 'double 55'],
    ['"double" twice', 'double double five'],
    ['a superscript digit', '427\u00b2'],
    ['circled digits', '\u2460\u2461\u2462\u2463'],
    ['a fraction character', '123\u00bd'],
    ['a plus sign', '+1234'],
    ['names of inherited members', 'constructor __proto__ toString'],
    ['a capital letter that gets longer in lower case', '\u0130234'],
    ['a long text', ' '.repeat(300) + '1234'],
  ])('rejects %s', (_, argument) => {
    expect(readPin(argument)).toBeUndefined();
  });

  it('reads digits with any separators between them', () => {
    fc.assert(
      fc.property(pin, fc.array(separator, { minLength: 8, maxLength: 8 }), (digits, between) => {
        const said = [...digits].map((one, at) => one + (between[at] ?? '')).join('');
        // A single dot or comma before only zeros could begin a decimal part.
        fc.pre(!/^[^.,]*[0-9]\s*[.,]0+[^0-9]*$/.test(said));
        expect(readPin(said)).toBe(digits);
      }),
    );
  });

  it('reads the digits of every script that Intl.NumberFormat writes', () => {
    fc.assert(
      fc.property(pin, fc.constantFrom(...SCRIPTS), (digits, numberingSystem) => {
        const format = new Intl.NumberFormat('en', { numberingSystem });
        expect(readPin([...digits].map((one) => format.format(Number(one))).join(''))).toBe(digits);
      }),
    );
  });

  it('reads the digits of every numbering system of the runtime, with any marks and words around them', () => {
    const systems = Intl.supportedValuesOf('numberingSystem').filter((numberingSystem) =>
      /^\p{Nd}$/u.test(new Intl.NumberFormat('en', { numberingSystem }).format(7)),
    );
    expect(systems.length).toBeGreaterThan(60);
    const invisible = fc.constantFrom(
      '',
      '',
      '\u200b',
      '\u200e',
      '\u200f',
      '\u202e',
      '\u2066',
      '\ufeff',
      '\u00ad',
      '\ufe0f',
    );
    const before = fc.constantFrom('', 'DTMF: ', 'dtmf digits ', 'PIN is ', 'pin:', 'Mein Code ist ', 'Es el ', '#');
    const after = fc.constantFrom('', '#', '*', ' #', '.', ' pound', '\u202c', '!');
    for (const numberingSystem of systems) {
      const format = new Intl.NumberFormat('en', { numberingSystem, useGrouping: false });
      fc.assert(
        fc.property(pin, separator, invisible, before, after, (digits, between, mark, start, end) => {
          const said = [...digits].map((one) => `${mark}${format.format(Number(one))}${mark}`).join(between);
          expect(readPin(`${start}${said}${end}`)).toBe(digits);
        }),
        { numRuns: 20 },
      );
    }
  });

  it('never reads a decimal number as another PIN', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{1,8}$/), fc.stringMatching(/^0{1,4}$/), (whole, zeros) => {
        expect(readPin(`${whole}.${zeros}`)).toBe(whole.length >= 4 ? whole : undefined);
        expect(readPin(`${whole},${zeros}`)).toBeUndefined();
      }),
    );
  });

  it('reads one word for each digit, in any case', () => {
    fc.assert(
      fc.property(pin, separator, fc.boolean(), (digits, between, upperCase) => {
        const said = [...digits].map((one) => WORDS[Number(one)]).join(between);
        expect(readPin(upperCase ? said.toUpperCase() : said)).toBe(digits);
      }),
    );
  });

  it('returns 4 to 8 ASCII digits or undefined for any argument', () => {
    const speech = fc
      .array(fc.constantFrom(...WORDS, 'double', 'triple', 'forty', 'ten', 'oh', '7', '42', 'x', '-'))
      .map((w) => w.join(' '));
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string(), fc.string({ unit: 'binary' }), speech), (argument) => {
        expect(readPin(argument) ?? '0000').toMatch(/^[0-9]{4,8}$/);
      }),
      { numRuns: 2000 },
    );
  });

  it('rejects hostile texts within 100 ms', () => {
    const texts = [' '.repeat(1e6), 'double '.repeat(1e5), '\u0661'.repeat(1e6), '-1'.repeat(128)];
    const begin = process.hrtime.bigint();
    for (const text of texts) expect(readPin(text)).toBeUndefined();
    expect(Number(process.hrtime.bigint() - begin) / 1e6).toBeLessThan(100);
  });
});

describe('readSpokenDigits', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('looks up nothing for a long id that is no number, so an id that no subject can have costs little', () => {
    const lookUps = jest.spyOn(Object, 'hasOwn');
    expect(readSpokenDigits('s-c6a1e6b2-9c7d-4d20-b4e7-7f0f3a5b1e42'.repeat(6))).toEqual({ kind: 'none' });
    expect(lookUps).not.toHaveBeenCalled();
    expect(readSpokenDigits('eight zero four one two')).toEqual({ kind: 'digits', digits: '80412' });
    expect(lookUps).toHaveBeenCalled();
  });
});
