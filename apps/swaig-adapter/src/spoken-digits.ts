import { NUMBER_WORDS, type NumberWords } from './number-words.js';

/** Fewest and most digits of a PIN. */
const SHORTEST = 4;
const LONGEST = 8;
/** Longest text that is looked at: "triple" and the longest word for each of 8 digits fit three times. */
const LONGEST_TEXT = 256;
/** Words of the longest phrase for one number: "quatre vingt dix sept". */
const LONGEST_PHRASE = 4;

const TOKENS = /[a-z]+|\p{Nd}+|[\s.,\p{Pd}]+/guy;
const SEPARATOR = /^[\s.,\p{Pd}]/u;
const BINDS = /^\p{Pd}$/u;
const ACCENTS = /\p{M}/gu;
const DECIMAL_DIGIT = /^\p{Nd}$/u;
const DIGIT_GROUP = /^\p{Nd}+$/u;

/**
 * The PIN that a language model passed on, as 4 to 8 ASCII digits, however the caller said it.
 * @see digitsFrom
 */
export function pinFrom(argument: unknown): string | undefined {
  return digitsFrom(argument, SHORTEST, LONGEST);
}

/**
 * The digits that a caller said in English, Spanish, French or German: digits of any script with separators, number
 * words ("oh four two seven", "forty-two seventeen", "cuarenta y dos"), repeats ("double five").
 * Undefined for everything that is something else or could be two things ("soixante douze" is 72 or 60 12): a guess
 * that the caller did not make must not cost an attempt.
 * @param argument an integer is taken as it is: the zeros before it were lost before it came here
 * @param shortest @param longest how many digits are wanted, at least and at most
 */
export function digitsFrom(argument: unknown, shortest: number, longest: number): string | undefined {
  const digits = readDigits(argument);
  return digits !== undefined && digits.length >= shortest && digits.length <= longest ? digits : undefined;
}

function readDigits(argument: unknown): string | undefined {
  if (typeof argument === 'number') {
    return Number.isSafeInteger(argument) && argument >= 0 ? String(argument) : undefined;
  }
  if (typeof argument !== 'string' || argument.length > LONGEST_TEXT) return undefined;
  const words = split(argument);
  if (words === undefined) return undefined;
  // Languages share words ("six", "double"): what two of them understand must be the same to both.
  const readings = new Set<string>();
  for (const language of Object.values(NUMBER_WORDS)) {
    for (const reading of readingsOf(bind(words, language), language)) readings.add(reading);
  }
  return readings.size === 1 ? [...readings][0] : undefined;
}

interface Word {
  readonly text: string;
  /** A hyphen without spaces stood before it. */
  readonly bound: boolean;
}

/** Words and groups of digits without their separators; undefined when there is anything else in the text. */
function split(text: string): Word[] | undefined {
  // Accents off, but nothing else unified: a superscript two is no two.
  const plain = text.toLowerCase().normalize('NFD').replace(ACCENTS, '').replace(/ß/g, 'ss');
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
  const next = words[at + 1] ?? '';
  const repeat = own(language.repeats, word);
  if (repeat !== undefined) {
    // Of "double 55" nobody knows what is doubled.
    const digit = DECIMAL_DIGIT.test(next) ? valueOf(next) : own(language.digits, next);
    return digit === undefined ? [] : [{ digits: digit.repeat(repeat), end: at + 2 }];
  }
  if (DIGIT_GROUP.test(word)) return [{ digits: [...word].map(valueOf).join(''), end: at + 1 }];
  const pieces: Piece[] = [];
  const digit = own(language.digits, word);
  if (digit !== undefined) pieces.push({ digits: digit, end: at + 1 });
  for (let end = at + 1; end <= Math.min(at + LONGEST_PHRASE, words.length); end++) {
    const phrase = words.slice(at, end).join(' ');
    const digits = own(language.pairs, phrase) ?? own(language.unclear, phrase);
    if (digits !== undefined && endsThere(words, end, digits, language)) pieces.push({ digits, end });
  }
  return pieces;
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
  return unit === undefined || unit === '0' || own(language.pairs, `${words[end - 1] ?? ''} ${next}`) === undefined;
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
