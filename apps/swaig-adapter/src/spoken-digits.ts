/** Fewest and most digits of a PIN. */
const SHORTEST = 4;
const LONGEST = 8;
/** Longest text that is looked at: "triple" and the longest word for each of 8 digits fit three times. */
const LONGEST_TEXT = 256;

const DIGITS: Readonly<Record<string, string>> = {
  zero: '0',
  oh: '0',
  o: '0',
  one: '1',
  two: '2',
  three: '3',
  four: '4',
  five: '5',
  six: '6',
  seven: '7',
  eight: '8',
  nine: '9',
};
const TEENS: Readonly<Record<string, string>> = {
  ten: '10',
  eleven: '11',
  twelve: '12',
  thirteen: '13',
  fourteen: '14',
  fifteen: '15',
  sixteen: '16',
  seventeen: '17',
  eighteen: '18',
  nineteen: '19',
};
const TENS: Readonly<Record<string, string>> = {
  twenty: '2',
  thirty: '3',
  forty: '4',
  fifty: '5',
  sixty: '6',
  seventy: '7',
  eighty: '8',
  ninety: '9',
};
const REPEATS: Readonly<Record<string, number>> = { double: 2, triple: 3 };

const TOKENS = /[a-z]+|\p{Nd}+|[\s.,\p{Pd}]+/guy;
const SEPARATOR = /^[\s.,\p{Pd}]/u;
const DECIMAL_DIGIT = /^\p{Nd}$/u;
const DIGIT_GROUP = /^\p{Nd}+$/u;

/**
 * The PIN that a language model passed on, as 4 to 8 ASCII digits, however the caller said it: digits of any script
 * with separators, number words ("oh four two seven", "forty two seventeen"), repeats ("double five").
 * Undefined for everything that is no PIN or could be two ("twenty 5" is 25 or 205): a guess that the caller did not
 * make must not cost an attempt.
 * @param argument an integer is taken as it is: the zeros before it were lost before it came here
 */
export function pinFrom(argument: unknown): string | undefined {
  if (typeof argument === 'number') return Number.isSafeInteger(argument) ? ofPinLength(String(argument)) : undefined;
  if (typeof argument !== 'string' || argument.length > LONGEST_TEXT) return undefined;
  const words = split(argument);
  return words && ofPinLength(join(words) ?? '');
}

function ofPinLength(text: string): string | undefined {
  return text.length >= SHORTEST && text.length <= LONGEST && /^\d+$/.test(text) ? text : undefined;
}

/** Words and groups of digits without their separators; undefined when there is anything else in the text. */
function split(text: string): string[] | undefined {
  const lower = text.toLowerCase();
  const tokens = lower.match(TOKENS) ?? [];
  if (tokens.reduce((sum, token) => sum + token.length, 0) !== lower.length) return undefined;
  return tokens.filter((token) => !SEPARATOR.test(token));
}

function join(words: readonly string[]): string | undefined {
  let digits = '';
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const next = words[at + 1] ?? '';
    const repeat = own(REPEATS, word);
    const ten = own(TENS, word);
    if (repeat !== undefined) {
      // Of "double 55" nobody knows what is doubled.
      const digit = DECIMAL_DIGIT.test(next) ? valueOf(next) : own(DIGITS, next);
      if (digit === undefined) return undefined;
      digits += digit.repeat(repeat);
      at++;
    } else if (ten !== undefined) {
      // "forty 2" and "forty ten" have no one reading.
      if (DIGIT_GROUP.test(next) || own(TEENS, next) !== undefined) return undefined;
      const unit = own(DIGITS, next);
      const joins = unit !== undefined && unit !== '0';
      digits += ten + (joins ? unit : '0');
      if (joins) at++;
    } else {
      const plain = DIGIT_GROUP.test(word) ? [...word].map(valueOf).join('') : (own(DIGITS, word) ?? own(TEENS, word));
      if (plain === undefined) return undefined;
      digits += plain;
    }
  }
  return digits;
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
