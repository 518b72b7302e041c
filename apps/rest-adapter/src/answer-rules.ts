import { type Question, type Violation } from '@countersign/contracts';

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

/** Answers to what nobody asks: a mistake of the client, which must not cost a try. */
export function unaskedRules(answers: Readonly<Record<string, unknown>>, questions: readonly Question[]): Violation[] {
  return Object.keys(answers)
    .filter((name) => !questions.some((question) => question.name === name))
    .map((name) => ({ field: `answers.${name}`, rule: "must be a question of the agent's policy" }));
}
