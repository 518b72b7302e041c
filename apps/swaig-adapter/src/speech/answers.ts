import { type Policy, type KnowledgeQuestion } from '@countersign/contracts';
import { isPlaceholder, normalizeAnswer } from '@countersign/normalization';
import { speak } from '../replies/speak.js';
import { dateFrom } from './spoken-dates.js';
import { digitsFrom } from './spoken-digits.js';
import { withoutInvisible } from '../replies/trim-speech.js';

/** Most digits of an answer whose question names no length. */
const MOST_DIGITS = 64;
/** Of a ZIP code, and of one with its four further digits. */
const ZIP_LENGTHS = { shortest: 5, longest: 9 };

/** Answers to all questions, by name, or the questions that have none of the right form. */
export type SpokenAnswers =
  { readonly answers: Readonly<Record<string, string>> } | { readonly missing: readonly KnowledgeQuestion[] };

/**
 * The answers that a language model passed on, in the form in which they are compared. Digits and dates may be said in
 * words. An answer that is not there or not of the right form could match nothing, and must not cost an attempt: it is
 * asked for again. Nobody's record is looked at for that, so it tells nothing about a subject.
 */
export function answersFrom(
  questions: readonly KnowledgeQuestion[],
  args: Readonly<Record<string, unknown>>,
): SpokenAnswers {
  const answers: Record<string, string> = {};
  const missing: KnowledgeQuestion[] = [];
  for (const question of questions) {
    const answer = answerTo(question, Object.hasOwn(args, question.name) ? args[question.name] : undefined);
    if (answer === undefined) missing.push(question);
    else answers[question.name] = answer;
  }
  return missing.length > 0 || questions.length === 0 ? { missing } : { answers };
}

/** What is asked for, and in which form, in the language of the policy. */
export function askedFor(policy: Policy, questions: readonly KnowledgeQuestion[]): string {
  return questions.map((question) => `${question.description} (${formOf(policy, question)})`).join('; ');
}

/** The form of an answer, as the language model is told that writes it. */
export function formForModel({ kind, length }: KnowledgeQuestion): string {
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
        ? speak(policy, 'form_any_digits')
        : speak(policy, 'form_digits', { length: String(length) });
    case 'zip':
      return speak(policy, 'form_zip');
    case 'date':
      return speak(policy, 'form_date');
    case 'text':
      return speak(policy, 'form_text');
  }
}

function answerTo(question: KnowledgeQuestion, value: unknown): string | undefined {
  const { kind, length } = question;
  if (typeof value === 'string' && isPlaceholder(value)) return undefined;
  switch (kind) {
    case 'digits':
      return digitsFrom(value, length ?? 1, length ?? MOST_DIGITS);
    case 'zip':
      return normalizeAnswer(question, digitsFrom(value, ZIP_LENGTHS.shortest, ZIP_LENGTHS.longest) ?? '');
    case 'date':
      return dateFrom(textFrom(value));
    case 'text':
      return normalizeAnswer(question, textFrom(value));
  }
}

/** '' for what is no text, which is no answer of any kind. A number that may be rounded is no text. */
function textFrom(value: unknown): string {
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' ? withoutInvisible(value) : '';
}
