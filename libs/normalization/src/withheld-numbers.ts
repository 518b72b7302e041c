/** The letters on the keys of a telephone (ITU-T E.161), by digit. */
const KEYPAD: readonly (readonly [digit: string, letters: string])[] = [
  ['2', 'ABC'],
  ['3', 'DEF'],
  ['4', 'GHI'],
  ['5', 'JKL'],
  ['6', 'MNO'],
  ['7', 'PQRS'],
  ['8', 'TUV'],
  ['9', 'WXYZ'],
];
const DIGITS = new Map(KEYPAD.flatMap(([digit, letters]) => [...letters].map((letter) => [letter, digit] as const)));

/**
 * Words that networks and providers send in place of a missing or withheld number, in the languages of the product. Some
 * providers spell the word on the keypad after a plus: +86282452253 is UNAVAILABLE. Words that spell a valid number of some
 * country (NOCALLERID) are not included.
 */
const WORDS = [
  ...['ANONYMOUS', 'BLOCKED', 'CONFIDENTIAL', 'HIDDEN', 'INVALID', 'MASKED', 'OUTOFAREA', 'PRIVATE', 'PROHIBITED'],
  ...['RESTRICTED', 'SUPPRESSED', 'UNALLOCATED', 'UNASSIGNED', 'UNAVAILABLE', 'UNDEFINED', 'UNKNOWN', 'UNLISTED'],
  ...['UNPUBLISHED', 'WITHHELD', 'NOTAVAILABLE', 'NOTALLOWED', 'NONUMBER', 'NONE', 'NULL'],
  ...['ANONYMOUSCALLER', 'CALLERUNKNOWN', 'NAMEUNAVAILABLE', 'NUMBERUNAVAILABLE', 'NUMBERWITHHELD', 'PRIVATECALLER'],
  ...['PRIVATENUMBER', 'UNKNOWNCALLER', 'UNKNOWNNUMBER', 'WITHHELDNUMBER'],
  ...['ANONIMO', 'DESCONOCIDO', 'NODISPONIBLE', 'OCULTO', 'PRIVADO', 'RESTRINGIDO'],
  ...['ANONYME', 'INCONNU', 'INDISPONIBLE', 'MASQUE', 'PRIVE'],
  ...['ANONYM', 'PRIVAT', 'UNBEKANNT', 'UNTERDRUCKT'],
];

/**
 * RESTRICTED after the country code of North America, which platforms put before ten digits. One subscriber could have this
 * number. Refusing that one is better than treating every caller who withholds a number as that subscriber.
 */
const RESTRICTED_IN_NORTH_AMERICA = '+17378742833';

/** In E.164: numbers that spell a word for "no number". */
export const WITHHELD_NUMBERS: ReadonlySet<string> = new Set([
  ...WORDS.map((word) => `+${[...word].map((letter) => DIGITS.get(letter) ?? '').join('')}`),
  RESTRICTED_IN_NORTH_AMERICA,
]);

/** Whether an E.164 number is a provider's spelling of "no number" and identifies no caller. */
export function isWithheldNumber(e164: string): boolean {
  return WITHHELD_NUMBERS.has(e164);
}
