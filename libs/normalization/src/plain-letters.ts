import { LATIN_TRANSLITERATIONS } from './latin-transliterations.js';

/** Accents in Latin, Greek and Cyrillic script, and marks around digits such as the square of a keycap emoji. */
const ACCENTS = /[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/gu;

/** The small iota below Greek vowels. Removed first, because conversion to upper case turns it into a letter. */
const GREEK_IOTA_BELOW = /\u0345/gu;

/**
 * Vowel points, accents of recitation and other marks that Hebrew and Arabic are usually written without. Hamza and madda
 * (U+0653 to U+0655) are not among them: they distinguish letters.
 */
const OPTIONAL_POINTS =
  /[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\ufb1e\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0897-\u089f\u08ca-\u08e1\u08e3-\u08ff\u{10ec5}-\u{10ecf}\u{10efa}-\u{10eff}]/gu;

/**
 * Apostrophes, stress marks and tone marks that Unicode counts among the letters (category Lm), and the Arabic tatweel,
 * which only stretches a word. People leave them out, or type punctuation instead.
 */
const LETTER_LIKE_MARKS = /[\u02b9-\u02c1\u02c6-\u02d1\u02ec\u02ee\u0640\u2e2f\u07f4\u07f5\ua717-\ua721\ua788]/gu;

/** A character with the marks that follow it. */
const WITH_MARKS = /(^|\P{M})(\p{M}+)/gu;

/**
 * Removes differences that do not change a word: case, accents of Latin, Greek and Cyrillic letters, optional points of
 * Hebrew and Arabic, invisible characters. Latin letters become ASCII. Keeps the marks of every other script, because they
 * distinguish words (Thai กิน and กัน, Hindi कि and की, Japanese ガス and カス).
 * @returns text in Unicode form NFKD
 */
export function plainLetters(text: string): string {
  const visible = text
    .normalize('NFKD')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .replace(OPTIONAL_POINTS, '')
    .replace(LETTER_LIKE_MARKS, '')
    .replace(GREEK_IOTA_BELOW, '');
  return toAscii(withoutCase(withoutAccents(visible)));
}

function withoutAccents(text: string): string {
  return text.replace(WITH_MARKS, (_all, base: string, marks: string) =>
    marksAreLettersAfter(base) ? base + marks : base + marks.replace(ACCENTS, ''),
  );
}

function marksAreLettersAfter(base: string): boolean {
  return /\p{L}/u.test(base) && !/[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u.test(base);
}

/** Idempotent. ẞ, ß and SS become the same, and so do the two forms of sigma. */
function withoutCase(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}

function toAscii(text: string): string {
  return text.replace(/\p{Script=Latin}/gu, (letter) => LATIN_TRANSLITERATIONS.get(letter) ?? letter);
}
