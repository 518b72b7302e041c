import { type KnowledgeQuestion, type Violation } from '@countersign/contracts';
import { answerRule, normalizeAnswer } from '@countersign/normalization';

/** As many as a policy can have questions. */
const MOST_ANSWERS = 10;
const QUESTION_PATTERN = /^[a-z][a-z0-9_]{0,62}$/;
/** Control characters and halves of surrogate pairs are nobody's answer. */
const ANSWER_PATTERN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;

/** What answers must be before anybody knows the questions. Names that look like one are shown, and nothing else. */
export function answerRules(answers: Readonly<Record<string, unknown>>): Violation[] {
  const given = Object.entries(answers);
  if (given.length < 1 || given.length > MOST_ANSWERS) {
    return [{ field: 'answers', rule: `must have 1 to ${MOST_ANSWERS} answers` }];
  }
  return given.flatMap(([name, answer]): Violation[] => {
    if (!QUESTION_PATTERN.test(name)) return [{ field: 'answers', rule: 'must have names of questions as its fields' }];
    if (typeof answer === 'string' && ANSWER_PATTERN.test(answer)) return [];
    return [{ field: `answers.${name}`, rule: 'must be a text of 1 to 200 characters without control characters' }];
  });
}

/**
 * What is wrong with answers to the questions of an agent: one that nobody asks, one that is missing, one that is not of
 * its question's kind. Each is a mistake that could match nothing, and must not cost a try. No subject is looked at.
 */
export function askedRules(
  answers: Readonly<Record<string, string>>,
  questions: readonly KnowledgeQuestion[],
): Violation[] {
  const unasked = Object.keys(answers)
    .filter((name) => !questions.some((question) => question.name === name))
    .map((name) => ({ field: `answers.${name}`, rule: "must be a question of the agent's policy" }));
  const unanswered = questions
    .filter((question) => normalizeAnswer(question, answerTo(answers, question)) === undefined)
    .map((question) => ({ field: `answers.${question.name}`, rule: answerRule(question) }));
  return [...unasked, ...unanswered];
}

function answerTo(answers: Readonly<Record<string, string>>, { name }: KnowledgeQuestion): string {
  return (Object.hasOwn(answers, name) ? answers[name] : undefined) ?? '';
}
