import { type KnowledgePolicy } from '@countersign/contracts';
import { digitsFrom } from './spoken-digits.js';

type Question = KnowledgePolicy['questions'][number];

/** Longest answer, in characters, that is passed on. */
const LONGEST_ANSWER = 256;
/** Most digits of an answer whose question names no length. */
const MOST_DIGITS = 64;

/** Answers to all questions, by name, or the questions that have none of the right form. */
export type Answers =
  { readonly answers: Readonly<Record<string, string>> } | { readonly missing: readonly Question[] };

/**
 * The answers that a language model passed on. Digits are read as those of a PIN are; everything else stays as it was
 * said, because the verification service alone knows how answers are compared. An answer that is not there or not of
 * the right form must not cost an attempt: it is asked for again.
 */
export function answersFrom(questions: readonly Question[], args: Readonly<Record<string, unknown>>): Answers {
  const answers: Record<string, string> = {};
  const missing: Question[] = [];
  for (const question of questions) {
    const answer = answerTo(question, Object.hasOwn(args, question.name) ? args[question.name] : undefined);
    if (answer === undefined) missing.push(question);
    else answers[question.name] = answer;
  }
  return missing.length > 0 || questions.length === 0 ? { missing } : { answers };
}

function answerTo({ kind, length }: Question, value: unknown): string | undefined {
  switch (kind) {
    case 'digits':
      return digitsFrom(value, length ?? 1, length ?? MOST_DIGITS);
    case 'zip':
      // Outside the United States postal codes have letters.
      return digitsFrom(value, 1, MOST_DIGITS) ?? textFrom(value);
    case 'date':
    case 'text':
      return textFrom(value);
  }
}

function textFrom(value: unknown): string | undefined {
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  return trimmed === '' || trimmed.length > LONGEST_ANSWER ? undefined : trimmed;
}
