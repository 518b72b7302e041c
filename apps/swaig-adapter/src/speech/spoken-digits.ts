import { COMPOUND_REPEAT, MAX_REPEAT_WORDS, NUMBER_WORDS, WORDS_OF_NUMBERS, type NumberWords } from './number-words.js';
import { trimSpeech } from './trim-speech.js';

/** Length of a PIN, in digits. */
const MIN_PIN_DIGITS = 4;
const MAX_PIN_DIGITS = 8;
/** Longest text that is parsed, in UTF-16 units: enough for a sentence and the longest words for 8 digits. */
const MAX_TEXT_LENGTH = 256;
/** Number of words in the longest phrase for one number: "quatre vingt dix sept". */
const MAX_NUMBER_WORDS = 4;

/** A word, one digit in the plural ("5s"), a group of digits, or the separators between them. */
const TOKENS =
  /[a-z]+|(?<!\p{Nd})\p{Nd}s(?![a-z\p{Nd}])|\p{Nd}+|[\s\p{Pd}.,_/|'\u2019\u2212\u00b7\u2022\u30fb\u3001\u3002\uff0c\uff0e\u060c\u066b\u066c]+/guy;
const SEPARATOR = /^[^a-z\p{Nd}]/u;
const HYPHEN = /^\p{Pd}$/u;
const DECIMAL_DIGIT = /^\p{Nd}$/u;
const ASCII_DIGITS = /^[0-9]+$/;
const DIGIT_GROUP = /^\p{Nd}+$/u;
const PLURAL_DIGIT = /^\p{Nd}s$/u;
/** A number with a decimal part, in any script. */
const DECIMAL = /^(\p{Nd}+)[.\uff0e\u066b](\p{Nd}+)$/u;
/** Text ending in digits that could be a decimal part or the last entry of a list: "48,000". */
const DECIMAL_OR_LIST = /^[^.,\uff0e\uff0c\u066b\u060c]*\p{Nd}\s*[.,\uff0e\uff0c\u066b\u060c](\p{Nd}+)$/u;

/** The result of reading a text: `digits`; `none` if it is no number; `unclear` if it could be more than one number. */
export type DigitsReading =
  { readonly kind: 'digits'; readonly digits: string } | { readonly kind: 'unclear' | 'none' };

/**
 * Reads a PIN of 4 to 8 digits from a function argument and returns it in ASCII digits.
 * @see readDigits
 */
export function readPin(argument: unknown): string | undefined {
  return readDigits(argument, MIN_PIN_DIGITS, MAX_PIN_DIGITS);
}

/**
 * Reads digits that a caller spoke or keyed in, see {@link readSpokenDigits}. Returns undefined for text that is no number
 * or could be two ("soixante douze" is 72 or 60 12), because a misread number must not cost an attempt.
 * @param argument text, or a whole number; the number's leading zeros are already lost
 * @param minDigits smallest accepted number of digits
 * @param maxDigits largest accepted number of digits
 */
export function readDigits(argument: unknown, minDigits: number, maxDigits: number): string | undefined {
  const reading = readArgument(argument);
  if (reading.kind !== 'digits') return undefined;
  const { digits } = reading;
  return digits.length >= minDigits && digits.length <= maxDigits ? digits : undefined;
}

function readArgument(argument: unknown): DigitsReading {
  if (typeof argument === 'string') return readSpokenDigits(argument);
  const isExact = typeof argument === 'number' && Number.isSafeInteger(argument) && argument >= 0;
  return isExact ? { kind: 'digits', digits: String(argument) } : { kind: 'none' };
}

/**
 * Reads the digits in a text, after {@link trimSpeech} removed the words around them. It accepts:
 *
 * - digits of any script, with separators, and with a decimal part of zero
 * - English, Spanish, French and German number words: "oh four two seven", "forty-two seventeen", "cuarenta y dos"
 * - repeats: "double five", "two fives"
 */
export function readSpokenDigits(text: string): DigitsReading {
  if (text.length > MAX_TEXT_LENGTH) return { kind: 'none' };
  const plain = trimSpeech(text);
  const decimal = DECIMAL.exec(plain);
  if (decimal && isZero(decimal[2])) return { kind: 'digits', digits: toAsciiDigits(decimal[1] ?? '') };
  if (isZero(DECIMAL_OR_LIST.exec(plain)?.[1])) return { kind: 'unclear' };
  const words = splitWords(plain);
  if (words === undefined || words.length === 0) return { kind: 'none' };
  // Without this check, a customer id of 228 characters that is no number takes a millisecond, and ten before it is compiled.
  if (!words.every(({ text }) => canBePartOfNumber(text))) return { kind: 'none' };
  // Languages share words ("six", "double"). If two languages understand the text, they must agree on the digits.
  const readings = new Set<string>();
  for (const language of Object.values(NUMBER_WORDS)) {
    for (const reading of readingsOf(joinHyphenated(words, language), language)) readings.add(reading);
  }
  const [digits] = readings;
  if (digits !== undefined && readings.size === 1) return { kind: 'digits', digits };
  return { kind: readings.size > 1 || words.every(({ text }) => isNumberWord(text)) ? 'unclear' : 'none' };
}

function isZero(digits: string | undefined): boolean {
  return digits !== undefined && /^0+$/.test(toAsciiDigits(digits));
}

function hasDigit(word: string): boolean {
  return DIGIT_GROUP.test(word) || PLURAL_DIGIT.test(word);
}

function canBePartOfNumber(word: string): boolean {
  return WORDS_OF_NUMBERS.has(word) || hasDigit(word);
}

function isNumberWord(word: string): boolean {
  if (hasDigit(word)) return true;
  return Object.values(NUMBER_WORDS).some((language) =>
    [language.digits, language.twoDigits, language.repeats, language.plurals].some((table) =>
      Object.hasOwn(table, word),
    ),
  );
}

interface Word {
  readonly text: string;
  /** Whether a hyphen without spaces precedes the word. */
  readonly hyphenated: boolean;
}

/** Splits a text into words and groups of digits. Returns undefined if it contains anything but these and separators. */
function splitWords(text: string): Word[] | undefined {
  const plain = text.replace(COMPOUND_REPEAT, '$1 $2').replace(/['\u2019]s\b/g, 's');
  const tokens = plain.match(TOKENS) ?? [];
  if (tokens.reduce((sum, token) => sum + token.length, 0) !== plain.length) return undefined;
  const words: Word[] = [];
  let bound = false;
  for (const token of tokens) {
    if (SEPARATOR.test(token)) {
      bound = HYPHEN.test(token) && words.length > 0;
    } else {
      words.push({ text: token, hyphenated: bound });
      bound = false;
    }
  }
  return words;
}

/** Joins words with hyphens between them if they are one number: the hyphens show that the writer meant one. */
function joinHyphenated(words: readonly Word[], language: NumberWords): string[] {
  const joined: string[] = [];
  for (let at = 0; at < words.length;) {
    let end = at + 1;
    while (words[end]?.hyphenated) end++;
    const phrase = words.slice(at, end).map((word) => word.text);
    if (phrase.length > 1 && lookUp(language.twoDigits, phrase.join(' ')) !== undefined) joined.push(phrase.join(' '));
    else joined.push(...phrase);
    at = end;
  }
  return joined;
}

/** The sequences of digits that the words can mean. It stops at two, because two already make the text unclear. */
function readingsOf(words: readonly string[], language: NumberWords): ReadonlySet<string> {
  // readingsFrom[n] has the readings of the words from index n on.
  const readingsFrom: Set<string>[] = Array.from({ length: words.length + 1 }, () => new Set<string>());
  readingsFrom[words.length]?.add('');
  for (let at = words.length - 1; at >= 0; at--) {
    for (const { digits, end } of numbersAt(words, at, language)) {
      for (const rest of readingsFrom[end] ?? []) {
        if ((readingsFrom[at]?.size ?? 0) < 2) readingsFrom[at]?.add(digits + rest);
      }
    }
  }
  return readingsFrom[0] ?? new Set();
}

interface SpokenNumber {
  readonly digits: string;
  /** Index of the first word after the number. */
  readonly end: number;
}

/** The numbers that the words from index `at` on can mean. */
function numbersAt(words: readonly string[], at: number, language: NumberWords): SpokenNumber[] {
  const word = words[at] ?? '';
  if (DIGIT_GROUP.test(word))
    return [{ digits: toAsciiDigits(word), end: at + 1 }, ...countedDigitsAt(words, at, language)];
  const numbers: SpokenNumber[] = [...repeatsAt(words, at, language), ...countedDigitsAt(words, at, language)];
  const digit = lookUp(language.digits, word);
  if (digit !== undefined) numbers.push({ digits: digit, end: at + 1 });
  for (let end = at + 1; end <= Math.min(at + MAX_NUMBER_WORDS, words.length); end++) {
    const phrase = words.slice(at, end).join(' ');
    const digits = lookUp(language.twoDigits, phrase) ?? lookUp(language.ambiguous, phrase);
    if (digits !== undefined && canEndBefore(words, end, digits, language)) numbers.push({ digits, end });
  }
  return numbers;
}

/** "double five", "deux fois le cinq", "a pair of fives". Not "double 55", which could double one digit or both. */
function repeatsAt(words: readonly string[], at: number, language: NumberWords): SpokenNumber[] {
  const numbers: SpokenNumber[] = [];
  for (let end = at + 1; end <= at + MAX_REPEAT_WORDS; end++) {
    const times = lookUp(language.repeats, words.slice(at, end).join(' '));
    const digit =
      times === undefined ? undefined : (singleDigit(words[end], language) ?? pluralDigit(words[end], language));
    if (times !== undefined && digit !== undefined) numbers.push({ digits: digit.repeat(times), end: end + 1 });
  }
  return numbers;
}

/** "two fives" is 55; without the plural, "two five" is 25. */
function countedDigitsAt(words: readonly string[], at: number, language: NumberWords): SpokenNumber[] {
  const times = Number(singleDigit(words[at], language) ?? 0);
  const digit = pluralDigit(words[at + 1], language);
  return times < 2 || digit === undefined ? [] : [{ digits: digit.repeat(times), end: at + 2 }];
}

function singleDigit(word = '', language: NumberWords): string | undefined {
  return DECIMAL_DIGIT.test(word) ? toAsciiDigits(word) : lookUp(language.digits, word);
}

function pluralDigit(word = '', language: NumberWords): string | undefined {
  return PLURAL_DIGIT.test(word) ? toAsciiDigits(word.slice(0, -1)) : lookUp(language.plurals, word);
}

/**
 * Whether a number can end before the next word. "forty two" is always 42, so "forty" cannot end there. "forty 2" could be
 * 42 or 40 2, so it has no reading.
 */
function canEndBefore(words: readonly string[], end: number, digits: string, language: NumberWords): boolean {
  if (!digits.endsWith('0')) return true;
  const next = words[end] ?? '';
  if (DIGIT_GROUP.test(next)) return false;
  const unit = lookUp(language.digits, next);
  if (unit === undefined || unit === '0') return true;
  // Compares values, so "forty niner" is not read as 40 9 either, although no table lists it as 49.
  const sameDigit = Object.keys(language.digits).filter((word) => language.digits[word] === unit);
  return sameDigit.every((word) => lookUp(language.twoDigits, `${words[end - 1] ?? ''} ${word}`) === undefined);
}

/** Converts digits of any script to ASCII digits. */
function toAsciiDigits(group: string): string {
  return ASCII_DIGITS.test(group) ? group : [...group].map(digitValue).join('');
}

/** Unicode assigns the digits of a script to ten consecutive code points from zero to nine; adjacent runs are complete. */
function digitValue(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (DECIMAL_DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/** Ignores inherited members: a caller can say "constructor". */
function lookUp<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
