import { type Policy, type KnowledgeQuestion } from '@countersign/contracts';
import { isPlaceholder, normalizeAnswer } from '@countersign/normalization';
import { renderText } from '../replies/render-text.js';
import { readDate } from './spoken-dates.js';
import { readDigits } from './spoken-digits.js';
import { removeInvisible } from './trim-speech.js';

/** Largest number of digits in an answer if its question defines no length. */
const MAX_DIGITS = 64;
/** Number of digits in a ZIP code, and in a ZIP+4 code. */
const ZIP_DIGITS = { min: 5, max: 9 };

/** The answers to all questions by name, or the questions without a well-formed answer. */
export type SpokenAnswers =
  { readonly answers: Readonly<Record<string, string>> } | { readonly missing: readonly KnowledgeQuestion[] };

/**
 * Reads the submitted answers and normalizes them for the comparison. Digits and dates may be spoken in words.
 *
 * A missing or malformed answer cannot match, so it must not cost an attempt: the caller has to repeat it. This check looks
 * at no subject, so it reveals nothing about one.
 */
export function readAnswers(
  questions: readonly KnowledgeQuestion[],
  args: Readonly<Record<string, unknown>>,
): SpokenAnswers {
  const answers: Record<string, string> = {};
  const missing: KnowledgeQuestion[] = [];
  for (const question of questions) {
    const answer = readAnswer(question, Object.hasOwn(args, question.name) ? args[question.name] : undefined);
    if (answer === undefined) missing.push(question);
    else answers[question.name] = answer;
  }
  return missing.length > 0 || questions.length === 0 ? { missing } : { answers };
}

/** Lists the questions with the required form of each answer, in the language of the policy. */
export function describeQuestions(policy: Policy, questions: readonly KnowledgeQuestion[]): string {
  return questions.map((question) => `${question.description} (${formOf(policy, question)})`).join('; ');
}

/** The required form of an answer, for the function definition that the language model reads. */
export function answerFormForModel({ kind, length }: KnowledgeQuestion): string {
  switch (kind) {
    case 'digits':
      return `${length === undefined ? 'digits only' : `exactly ${length} digits`}, leading zeros included`;
    case 'zip':
      return '5 digits, or 9 with the extension';
    case 'date':
      return (
        'a date as YYYY-MM-DD; ask for the year in full, and for the month by name where day and month could be ' +
        'confused, as in 3/4/1985'
      );
    case 'text':
      return 'as the caller says it';
  }
}

function formOf(policy: Policy, { kind, length }: KnowledgeQuestion): string {
  switch (kind) {
    case 'digits':
      return length === undefined
        ? renderText(policy, 'form_any_digits')
        : renderText(policy, 'form_digits', { length: String(length) });
    case 'zip':
      return renderText(policy, 'form_zip');
    case 'date':
      return renderText(policy, 'form_date');
    case 'text':
      return renderText(policy, 'form_text');
  }
}

function readAnswer(question: KnowledgeQuestion, value: unknown): string | undefined {
  const { kind, length } = question;
  if (typeof value === 'string' && isPlaceholder(value)) return undefined;
  switch (kind) {
    case 'digits':
      return readDigits(value, length ?? 1, length ?? MAX_DIGITS);
    case 'zip':
      return normalizeAnswer(question, readDigits(value, ZIP_DIGITS.min, ZIP_DIGITS.max) ?? '');
    case 'date':
      return readDate(readText(value));
    case 'text':
      return normalizeAnswer(question, readText(value));
  }
}

/** Returns '' for values that are no text, and for numbers that may have been rounded. No question accepts ''. */
function readText(value: unknown): string {
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' ? removeInvisible(value) : '';
}
