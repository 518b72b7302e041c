import fc from 'fast-check';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';

/** A telephone number as one region knows it. */
export interface ExampleNumber {
  readonly e164: string;
  /** Country calling code without the plus. */
  readonly callingCode: string;
}

/** A mobile number of every region in the library's metadata. */
export const EXAMPLE_NUMBERS: readonly ExampleNumber[] = getCountries().flatMap((country) => {
  const number = getExampleNumber(country, examples);
  return number === undefined ? [] : [{ e164: number.number, callingCode: number.countryCallingCode }];
});

/** Separators between digits, including Unicode dashes and spaces. */
const SEPARATORS = [
  '',
  '',
  ' ',
  '-',
  '.',
  '/',
  ' - ',
  '\t',
  '\u00a0',
  '\u2011',
  '\u2013',
  '\u2212',
  '\u202f',
  '\u200b',
];
/** The zero of each script that a number may be written in: ASCII, full-width, Arabic, Persian. */
const ZEROS = ['0', '０', '٠', '۰'];
/** Characters around a number that was copied from a page, a file or a list of contacts. */
const AROUND = ['', '', ' ', '\n', '\u202a', '\u202c', '\u200e', '\ufeff'];
const SCHEMES = ['', '', '', 'tel:', 'TEL:', 'tel: '];

/** A legal spelling of a number, with its country code, of at most 64 characters. */
export function spellingOf({ e164, callingCode }: ExampleNumber): fc.Arbitrary<string> {
  const digits = [...e164.slice(1)];
  return fc
    .record({
      before: fc.constantFrom(...AROUND),
      scheme: fc.constantFrom(...SCHEMES),
      plus: fc.constantFrom('+', '＋'),
      zero: fc.constantFrom(...ZEROS),
      separators: fc.array(fc.constantFrom(...SEPARATORS), { minLength: digits.length, maxLength: digits.length }),
      brackets: fc.constantFrom('none', 'of the country code', 'of an area code'),
      areaCode: fc.integer({ min: 1, max: 4 }),
      after: fc.constantFrom(...AROUND),
    })
    .map(({ before, scheme, plus, zero, separators, brackets, areaCode, after }) => {
      const code = callingCode.length;
      const written = digits.map((digit, at) => {
        const opens = brackets === 'of an area code' && at === code;
        const closes =
          (brackets === 'of an area code' && at === code + areaCode) ||
          (brackets === 'of the country code' && at === code);
        const inScript = String.fromCodePoint((zero.codePointAt(0) ?? 0) + Number(digit));
        return `${at === 0 ? '' : (separators[at] ?? '')}${closes ? ') ' : ''}${opens ? '(' : ''}${inScript}`;
      });
      const opening = brackets === 'of the country code' ? '(' : '';
      return `${before}${scheme}${opening}${plus}${written.join('')}${after}`;
    })
    .filter((spelling) => spelling.length <= 64);
}

/** A number of any region, and some spellings of it. */
export const spelledNumbers: fc.Arbitrary<{ readonly number: string; readonly spellings: readonly string[] }> = fc
  .constantFrom(...EXAMPLE_NUMBERS)
  .chain((example) =>
    fc.array(spellingOf(example), { minLength: 1, maxLength: 3 }).map((spellings) => ({
      number: example.e164,
      spellings,
    })),
  );

/** Texts that look like a number or replace one, and are not one. */
export const NO_NUMBERS: readonly string[] = [
  ...['', ' ', 'anonymous', 'Restricted', '+', '+1', '+12', '1234'],
  // Without a country code a number is ambiguous; 00 and 011 are dialling prefixes of some countries only.
  ...['2025550123', '(202) 555-0123', '12025550123', '0012025550123', '01112025550123', '07400 123456'],
  // The domain of a SIP address decides which person it reaches.
  ...['sip:+12025550123@example.com', 'sips:+12025550123@example.com;user=phone', '+12025550123@example.com'],
  ...['sip:+12025550123', 'tel:2025550123;phone-context=+1', 'tel:tel:+12025550123'],
  // An extension belongs to another person than the number.
  ...['+1 202 555 0123 ext. 5', '+12025550123 x5', 'tel:+12025550123;ext=5', '+1 202 555 0123 # 5'],
  'tel:+12025550123;isub=5',
  ...['+1-800-FLOWERS', '+12025550123 or +12025550124', '++12025550123', '+1+2025550123', '+12025550123abc'],
  ...['(+1 202 555 0123', '+1 202 555 012', '+1 202 555 01234', '+999 123456789', `+1${'0'.repeat(70)}`],
  // Words for "no number" on the keypad: anonymous, blocked, restricted, unavailable, unknown; in other languages too.
  ...['+266696687', '+2562533', '+7378742833', '+86282452253', '+8656696', '+464', '+17378742833', '+1 737 874 2833'],
  ...['tel:+86282452253', '+86 282 452 253', '＋８６２８２４５２２５３', '+33726662436', '+862352668', '+463477664253'],
  // Two trunk prefixes: read again, the rest would be another number.
  '+46007897807',
];
