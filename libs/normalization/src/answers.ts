import { type KnowledgeQuestion } from '@countersign/contracts';
import { toIsoDate } from './iso-date.js';
import { plainLetters } from './plain-letters.js';

/** Longest accepted answer, in UTF-16 code units. */
const MAX_ANSWER_LENGTH = 200;

/**
 * The form in which answers are compared, so that spelling does not matter.
 * - `digits`: ASCII digits, from digits of any script, without spaces and punctuation; exactly `length` of them if the
 *   question has a length
 * - `zip`: the first five digits of a ZIP or ZIP+4 code
 * - `date`: ISO 8601, see {@link toIsoDate}
 * - `text`: letters with their marks, and digits; see {@link plainLetters}
 * @returns never an empty text; undefined when the text is not an answer of this kind
 */
export function normalizeAnswer(
  { kind, length }: Pick<KnowledgeQuestion, 'kind' | 'length'>,
  text: string,
): string | undefined {
  if (text.length > MAX_ANSWER_LENGTH) return undefined;
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
      return /[\p{L}\p{N}]/u.test(letters) && letters.length <= MAX_ANSWER_LENGTH ? letters : undefined;
    }
  }
}

/** The rule for an answer in words. An answer that violates it is neither enrolled nor compared. */
export function answerRule({ kind, length }: Pick<KnowledgeQuestion, 'kind' | 'length'>): string {
  switch (kind) {
    case 'digits':
      return length === undefined ? 'must be digits' : `must be ${length} digits`;
    case 'zip':
      return 'must be a ZIP code of 5 or 9 digits';
    case 'date':
      return 'must be a date such as 1985-07-14; day and month as numbers only where they cannot be confused';
    case 'text':
      return `must have 1 to ${MAX_ANSWER_LENGTH} letters and digits`;
  }
}

/** Undefined when the text contains anything else than digits, spaces and punctuation, such as "12a4". */
function digitsOf(text: string): string | undefined {
  const digits = text.replace(/[\s\p{P}]/gu, '');
  return /^[0-9]+$/.test(digits) ? digits : undefined;
}

/** Converts the decimal digits of every script. In Unicode the ten digits of a script are contiguous, 0 first. */
function toAsciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const point = digit.codePointAt(0) ?? 0;
    let zero = point;
    while (point - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(point - zero);
  });
}
