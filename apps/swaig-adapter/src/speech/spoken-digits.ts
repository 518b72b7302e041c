import { JOINED_REPEAT, LONGEST_REPEAT, NUMBER_WORDS, type NumberWords } from './number-words.js';
import { trimSpeech } from '../replies/trim-speech.js';

/** Fewest and most digits of a PIN. */
const SHORTEST = 4;
const LONGEST = 8;
/** Longest text that is looked at: a sentence before it, and the longest words for 8 digits. */
const LONGEST_TEXT = 256;
/** Words of the longest phrase for one number: "quatre vingt dix sept". */
const LONGEST_PHRASE = 4;

/** A word, one digit in the plural ("5s"), a group of digits, what stands between them. */
const TOKENS =
  /[a-z]+|(?<!\p{Nd})\p{Nd}s(?![a-z\p{Nd}])|\p{Nd}+|[\s\p{Pd}.,_/|'\u2019\u2212\u00b7\u2022\u30fb\u3001\u3002\uff0c\uff0e\u060c\u066b\u066c]+/guy;
const SEPARATOR = /^[^a-z\p{Nd}]/u;
const BINDS = /^\p{Pd}$/u;
const DECIMAL_DIGIT = /^\p{Nd}$/u;
const DIGIT_GROUP = /^\p{Nd}+$/u;
const PLURAL_DIGIT = /^\p{Nd}s$/u;
/** A number with a decimal part, in any script. */
const DECIMAL = /^(\p{Nd}+)[.\uff0e\u066b](\p{Nd}+)$/u;
/** What could be a decimal part of zero or one more digit of a list. */
const DECIMAL_OR_LIST = /^[^.,\uff0e\uff0c\u066b\u060c]*\p{Nd}\s*[.,\uff0e\uff0c\u066b\u060c](\p{Nd}+)$/u;

/** What a text says: digits; nothing that is made of digits; or digits that could be those of more than one number. */
export type Reading = { readonly kind: 'digits'; readonly digits: string } | { readonly kind: 'unclear' | 'none' };

/**
 * The PIN that a language model passed on, as 4 to 8 ASCII digits, however the caller said it.
 * @see digitsFrom
 */
export function pinFrom(argument: unknown): string | undefined {
  return digitsFrom(argument, SHORTEST, LONGEST);
}

/**
 * The digits that a caller said or keyed in, see {@link readSpokenDigits}. Undefined for everything that is something else
 * or could be two things ("soixante douze" is 72 or 60 12): a guess that the caller did not make must not cost an attempt.
 * @param argument an integer is taken as it is: the zeros before it were lost before it came here
 * @param shortest @param longest how many digits are wanted, at least and at most
 */
export function digitsFrom(argument: unknown, shortest: number, longest: number): string | undefined {
  const reading = readArgument(argument);
  if (reading.kind !== 'digits') return undefined;
  const { digits } = reading;
  return digits.length >= shortest && digits.length <= longest ? digits : undefined;
}

function readArgument(argument: unknown): Reading {
  if (typeof argument === 'string') return readSpokenDigits(argument);
  const exact = typeof argument === 'number' && Number.isSafeInteger(argument) && argument >= 0;
  return exact ? { kind: 'digits', digits: String(argument) } : { kind: 'none' };
}

/**
 * The digits in a text: digits of any script with separators, number words of English, Spanish, French and German
 * ("oh four two seven", "forty-two seventeen", "cuarenta y dos"), repeats ("double five", "two fives"), a decimal part of
 * zero, and around them what {@link trimSpeech} removes.
 */
export function readSpokenDigits(text: string): Reading {
  if (text.length > LONGEST_TEXT) return { kind: 'none' };
  const plain = trimSpeech(text);
  const decimal = DECIMAL.exec(plain);
  if (decimal && isZero(decimal[2])) return { kind: 'digits', digits: digitsOf(decimal[1] ?? '') };
  if (isZero(DECIMAL_OR_LIST.exec(plain)?.[1])) return { kind: 'unclear' };
  const words = split(plain);
  if (words === undefined || words.length === 0) return { kind: 'none' };
  // Languages share words ("six", "double"): what two of them understand must be the same to both.
  const readings = new Set<string>();
  for (const language of Object.values(NUMBER_WORDS)) {
    for (const reading of readingsOf(bind(words, language), language)) readings.add(reading);
  }
  const [digits] = readings;
  if (digits !== undefined && readings.size === 1) return { kind: 'digits', digits };
  return { kind: readings.size > 1 || words.every(({ text }) => isNumberWord(text)) ? 'unclear' : 'none' };
}

function isZero(digits: string | undefined): boolean {
  return digits !== undefined && /^0+$/.test(digitsOf(digits));
}

function isNumberWord(word: string): boolean {
  if (DIGIT_GROUP.test(word) || PLURAL_DIGIT.test(word)) return true;
  return Object.values(NUMBER_WORDS).some((language) =>
    [language.digits, language.pairs, language.repeats, language.plurals].some((table) => Object.hasOwn(table, word)),
  );
}

interface Word {
  readonly text: string;
  /** A hyphen without spaces stood before it. */
  readonly bound: boolean;
}

/** Words and groups of digits without their separators; undefined when there is anything else in the text. */
function split(text: string): Word[] | undefined {
  const plain = text.replace(JOINED_REPEAT, '$1 $2').replace(/['\u2019]s\b/g, 's');
  const tokens = plain.match(TOKENS) ?? [];
  if (tokens.reduce((sum, token) => sum + token.length, 0) !== plain.length) return undefined;
  const words: Word[] = [];
  let bound = false;
  for (const token of tokens) {
    if (SEPARATOR.test(token)) {
      bound = BINDS.test(token) && words.length > 0;
    } else {
      words.push({ text: token, bound });
      bound = false;
    }
  }
  return words;
}

/** A chain with hyphens that is one number is one word: a writer who puts them has understood one number. */
function bind(words: readonly Word[], language: NumberWords): string[] {
  const bound: string[] = [];
  for (let at = 0; at < words.length;) {
    let end = at + 1;
    while (words[end]?.bound) end++;
    const phrase = words.slice(at, end).map((word) => word.text);
    if (phrase.length > 1 && own(language.pairs, phrase.join(' ')) !== undefined) bound.push(phrase.join(' '));
    else bound.push(...phrase);
    at = end;
  }
  return bound;
}

/** Every sequence of digits that the words can mean, as far as two of them: more do not matter. */
function readingsOf(words: readonly string[], language: NumberWords): ReadonlySet<string> {
  const from: Set<string>[] = Array.from({ length: words.length + 1 }, () => new Set<string>());
  from[words.length]?.add('');
  for (let at = words.length - 1; at >= 0; at--) {
    for (const { digits, end } of numbersAt(words, at, language)) {
      for (const rest of from[end] ?? []) {
        if ((from[at]?.size ?? 0) < 2) from[at]?.add(digits + rest);
      }
    }
  }
  return from[0] ?? new Set();
}

interface Piece {
  readonly digits: string;
  /** Index of the first word behind it. */
  readonly end: number;
}

/** What can be said by the words that begin at a place. */
function numbersAt(words: readonly string[], at: number, language: NumberWords): Piece[] {
  const word = words[at] ?? '';
  if (DIGIT_GROUP.test(word)) return [{ digits: digitsOf(word), end: at + 1 }, ...countedAt(words, at, language)];
  const pieces: Piece[] = [...repeatedAt(words, at, language), ...countedAt(words, at, language)];
  const digit = own(language.digits, word);
  if (digit !== undefined) pieces.push({ digits: digit, end: at + 1 });
  for (let end = at + 1; end <= Math.min(at + LONGEST_PHRASE, words.length); end++) {
    const phrase = words.slice(at, end).join(' ');
    const digits = own(language.pairs, phrase) ?? own(language.unclear, phrase);
    if (digits !== undefined && endsThere(words, end, digits, language)) pieces.push({ digits, end });
  }
  return pieces;
}

/** "double five", "deux fois le cinq", "a pair of fives". Of "double 55" nobody knows what is doubled. */
function repeatedAt(words: readonly string[], at: number, language: NumberWords): Piece[] {
  const pieces: Piece[] = [];
  for (let end = at + 1; end <= at + LONGEST_REPEAT; end++) {
    const times = own(language.repeats, words.slice(at, end).join(' '));
    const digit = times === undefined ? undefined : (oneDigit(words[end], language) ?? plural(words[end], language));
    if (times !== undefined && digit !== undefined) pieces.push({ digits: digit.repeat(times), end: end + 1 });
  }
  return pieces;
}

/** "two fives": the plural tells it from "two five". */
function countedAt(words: readonly string[], at: number, language: NumberWords): Piece[] {
  const times = Number(oneDigit(words[at], language) ?? 0);
  const digit = plural(words[at + 1], language);
  return times < 2 || digit === undefined ? [] : [{ digits: digit.repeat(times), end: at + 2 }];
}

function oneDigit(word = '', language: NumberWords): string | undefined {
  return DECIMAL_DIGIT.test(word) ? digitsOf(word) : own(language.digits, word);
}

function plural(word = '', language: NumberWords): string | undefined {
  return PLURAL_DIGIT.test(word) ? digitsOf(word.slice(0, -1)) : own(language.plurals, word);
}

/**
 * Whether a number can end before the next word. "forty" and "two" are 42: who means 40 and 2 says it otherwise. And
 * of "forty 2" nobody knows.
 */
function endsThere(words: readonly string[], end: number, digits: string, language: NumberWords): boolean {
  if (!digits.endsWith('0')) return true;
  const next = words[end] ?? '';
  if (DIGIT_GROUP.test(next)) return false;
  const unit = own(language.digits, next);
  if (unit === undefined || unit === '0') return true;
  // By value: "forty niner" is no 409 either, though nobody lists it as a word for 49.
  const sameDigit = Object.keys(language.digits).filter((word) => language.digits[word] === unit);
  return sameDigit.every((word) => own(language.pairs, `${words[end - 1] ?? ''} ${word}`) === undefined);
}

/** ASCII digits for those of any script. */
function digitsOf(group: string): string {
  return [...group].map(valueOf).join('');
}

/** Unicode keeps the digits of a script in one run from zero to nine, and runs that touch each other whole. */
function valueOf(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (DECIMAL_DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/** Callers can say "constructor"; only our own words count. */
function own<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
