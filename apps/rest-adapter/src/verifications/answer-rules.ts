import { TEXT_PATTERN, TEXT_RULE } from '@countersign/api';
import { type KnowledgeQuestion, type Violation } from '@countersign/contracts';
import { answerRule, normalizeAnswer } from '@countersign/normalization';

export const ANSWERS_RULE = 'must be an object with the answers by the name of their question';

/** As many as a policy can have questions. */
const MAX_ANSWERS = 10;
const QUESTION_PATTERN = /^[a-z][a-z0-9_]{0,62}$/;

/** The rules for answers whatever the questions are. Only names that look like one are shown in a violation. */
export function answerRules(answers: Readonly<Record<string, unknown>>): Violation[] {
  const given = Object.entries(answers);
  if (given.length < 1 || given.length > MAX_ANSWERS) {
    return [{ field: 'answers', rule: `must have 1 to ${MAX_ANSWERS} answers` }];
  }
  return given.flatMap(([name, answer]): Violation[] => {
    if (!QUESTION_PATTERN.test(name)) return [{ field: 'answers', rule: 'must have names of questions as its fields' }];
    if (typeof answer === 'string' && TEXT_PATTERN.test(answer)) return [];
    return [{ field: `answers.${name}`, rule: TEXT_RULE }];
  });
}

/**
 * What is wrong with answers to the questions of an agent: an unknown question, a missing answer, or one without the form of
 * its question. Such a mistake can match nothing, so it must not cost an attempt. The subject plays no part.
 */
export function questionRules(
  answers: Readonly<Record<string, string>>,
  questions: readonly KnowledgeQuestion[],
): Violation[] {
  const unknown = Object.keys(answers)
    .filter((name) => !questions.some((question) => question.name === name))
    .map((name) => ({ field: `answers.${name}`, rule: "must be a question of the agent's policy" }));
  const unanswered = questions
    .filter((question) => normalizeAnswer(question, answerTo(answers, question)) === undefined)
    .map((question) => ({ field: `answers.${question.name}`, rule: answerRule(question) }));
  return [...unknown, ...unanswered];
}

function answerTo(answers: Readonly<Record<string, string>>, { name }: KnowledgeQuestion): string {
  return (Object.hasOwn(answers, name) ? answers[name] : undefined) ?? '';
}
