import { type KnowledgeQuestion } from '@countersign/contracts';
import { toIsoDate } from './iso-date.js';
import { plainLetters } from './plain-letters.js';

/** Longest answer that is looked at, in UTF-16 units. */
const LONGEST_ANSWER = 200;

/**
 * The form in which answers to a question are compared, so that spelling does not count; undefined when the text is no
 * answer of this kind. Never empty.
 *
 * `digits`: the digits of any script, without spaces and punctuation; exactly `length` of them where the question says
 * so. `zip`: the first five digits of a ZIP or ZIP+4. `date`: ISO 8601, see {@link toIsoDate}. `text`: letters with the
 * marks that belong to them, and digits; see {@link plainLetters}.
 */
export function normalizeAnswer(
  { kind, length }: Pick<KnowledgeQuestion, 'kind' | 'length'>,
  text: string,
): string | undefined {
  if (text.length > LONGEST_ANSWER) return undefined;
  const plain = toAsciiDigits(plainLetters(text));
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
      const letters = plain.replace(/[^\p{L}\p{M}\p{N}]/gu, '').normalize('NFC');
      return /[\p{L}\p{N}]/u.test(letters) && letters.length <= LONGEST_ANSWER ? letters : undefined;
    }
  }
}

/** What an answer must be, in words: to be enrolled, and to be compared at all. */
export function answerRule({ kind, length }: Pick<KnowledgeQuestion, 'kind' | 'length'>): string {
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

/** Decimal digits of every script; Unicode puts those of a script next to each other, the 0 first. */
function toAsciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const point = digit.codePointAt(0) ?? 0;
    let zero = point;
    while (point - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(point - zero);
  });
}
