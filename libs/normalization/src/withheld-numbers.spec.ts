import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { EXAMPLE_NUMBERS } from '@countersign/testing';
import { toE164 } from './phone-number.js';
import { isWithheldNumber, WITHHELD_NUMBERS } from './withheld-numbers.js';

/** The keypad spelling of a word, independent of the product's table. */
const spelled = (word: string): string =>
  `+${word.replace(/[A-Z]/g, (letter) => '22233344455566677778889999'.charAt(letter.charCodeAt(0) - 65))}`;

describe("a provider's word for no number, spelled on the keypad", () => {
  it.each([
    ['ANONYMOUS', '+266696687'],
    ['BLOCKED', '+2562533'],
    ['RESTRICTED', '+7378742833'],
    ['UNAVAILABLE', '+86282452253'],
    ['UNKNOWN', '+8656696'],
  ])('%s is recognized as %s', (word, number) => {
    expect(spelled(word)).toBe(number);
    expect(isWithheldNumber(number)).toBe(true);
    expect(toE164(number)).toBeUndefined();
  });

  it.each([
    ...['PRIVATE', 'WITHHELD', 'OUTOFAREA', 'NOTAVAILABLE', 'UNKNOWNCALLER', 'PRIVATENUMBER', 'CALLERUNKNOWN'],
    ...['NAMEUNAVAILABLE', 'DESCONOCIDO', 'RESTRINGIDO', 'INDISPONIBLE', 'UNBEKANNT', 'UNTERDRUCKT'],
  ])('%s is recognized in its own spelling', (word) => {
    expect(isWithheldNumber(spelled(word))).toBe(true);
    expect(toE164(spelled(word))).toBeUndefined();
  });

  it('is recognized after the country code that a platform puts before ten digits', () => {
    expect(toE164('+17378742833')).toBeUndefined();
    expect(toE164('+17378742834')).toBe('+17378742834');
  });

  it('is never a valid number, except for the one of North America that RESTRICTED spells', () => {
    const valid = [...WITHHELD_NUMBERS].filter((number) => parsePhoneNumberFromString(number)?.isValid());
    expect(valid).toEqual(['+17378742833']);
    expect(EXAMPLE_NUMBERS.filter(({ e164 }) => isWithheldNumber(e164))).toEqual([]);
  });
});
