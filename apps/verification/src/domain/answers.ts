import { type Question } from '@countersign/contracts';

/** Longest answer that is looked at, in UTF-16 units. */
export const LONGEST_ANSWER = 200;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const LONG_MONTHS = 'january february march april may june july august september october november december sept'.split(
  ' ',
);

/**
 * The form in which answers to a question are compared, so that spelling does not count; undefined when the text is no
 * answer of this kind. Never empty.
 *
 * `digits`: the digits of any script, without spaces and punctuation; exactly `length` of them where the question says
 * so. `zip`: the first five digits of a ZIP or ZIP+4. `date`: ISO 8601, see {@link toIsoDate}. `text`: letters and digits
 * without case, accents, spaces and punctuation.
 */
export function normalizeAnswer({ kind, length }: Pick<Question, 'kind' | 'length'>, text: string): string | undefined {
  if (text.length > LONGEST_ANSWER) return undefined;
  // Upper case first: ß and SS become one.
  const plain = toAsciiDigits(text.normalize('NFKD')).replace(/\p{M}/gu, '').toUpperCase().toLowerCase();
  switch (kind) {
    case 'digits': {
      const digits = digitsOf(plain);
      return digits !== undefined && (length === undefined || digits.length === length) ? digits : undefined;
    }
    case 'zip': {
      const digits = digitsOf(plain);
      return digits?.length === 5 || digits?.length === 9 ? digits.slice(0, 5) : undefined;
    }
    case 'date':
      return toIsoDate(plain);
    case 'text': {
      const letters = plain.replace(/[^\p{L}\p{N}]/gu, '');
      return letters.length > 0 && letters.length <= LONGEST_ANSWER ? letters : undefined;
    }
  }
}

/** What an answer must be to be enrolled, in words. */
export function answerRule({ kind, length }: Pick<Question, 'kind' | 'length'>): string {
  switch (kind) {
    case 'digits':
      return length === undefined ? 'must be digits' : `must be ${length} digits`;
    case 'zip':
      return 'must be a ZIP code of 5 or 9 digits';
    case 'date':
      return 'must be a date such as 1985-07-14; day and month as numbers only where they cannot be confused';
    case 'text':
      return `must have 1 to ${LONGEST_ANSWER} letters and digits`;
  }
}

/** Undefined when there is something besides digits, spaces and punctuation: "12a4" is nobody's number. */
function digitsOf(text: string): string | undefined {
  const digits = text.replace(/[\s\p{P}]/gu, '');
  return /^[0-9]+$/.test(digits) ? digits : undefined;
}

/**
 * A date in ISO 8601, from: year, month, day (1985-07-14, 1985/7/14, 19850714); day, month, year with dots (14.7.1985);
 * the month as an English word (July 14th, 1985; 14 Jul 1985); numbers with dashes or slashes where one of the two is
 * above 12 or both are equal (7/14/1985, 14-7-1985). 3/4/1985 is two dates, so it is none. Years have four digits.
 * @param text lower case, ASCII digits
 */
function toIsoDate(text: string): string | undefined {
  const compact = text.trim().replace(/\s+/g, ' ');
  const ymd = /^(\d{4})([-/. ]?)(\d{1,2})\2(\d{1,2})$/.exec(compact);
  if (ymd) {
    const [, year = '', mark, month = '', day = ''] = ymd;
    return mark === '' && compact.length !== 8 ? undefined : isoDate(year, month, day);
  }
  const dotted = /^(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})$/.exec(compact);
  if (dotted) return isoDate(dotted[3], dotted[2], dotted[1]);
  const numbers = /^(\d{1,2})([-/ ])(\d{1,2})\2(\d{4})$/.exec(compact);
  if (numbers) {
    const [, first = '', , second = '', year = ''] = numbers;
    if (Number(first) === Number(second) || Number(second) > 12) return isoDate(year, first, second);
    return Number(first) > 12 ? isoDate(year, second, first) : undefined;
  }
  const words = compact
    .replace(/[.,]/g, ' ')
    .replace(/\b(the|of)\b/g, ' ')
    .trim()
    .split(/\s+|-/);
  const [first = '', second = '', year, ...rest] = words;
  if (rest.length > 0) return undefined;
  const month = monthOf(first) ?? monthOf(second);
  const day = /^(\d{1,2})(?:st|nd|rd|th)?$/.exec(monthOf(first) === undefined ? first : second)?.[1];
  return month === undefined || day === undefined ? undefined : isoDate(year, String(month), day);
}

function monthOf(word: string): number | undefined {
  const long = LONG_MONTHS.includes(word) ? word.slice(0, 3) : word;
  const place = MONTHS.indexOf(long);
  return place === -1 ? undefined : place + 1;
}

/** Undefined for a day that the calendar does not have. */
function isoDate(year: string | undefined, month = '', day = ''): string | undefined {
  if (year === undefined || !/^[12]\d{3}$/.test(year)) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  return `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** Decimal digits of every script; Unicode puts those of a script next to each other, the 0 first. */
function toAsciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const point = digit.codePointAt(0) ?? 0;
    let zero = point;
    while (point - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(point - zero);
  });
}
