import { type KnowledgePolicy, type Level, type Question } from '@countersign/contracts';
import { normalizeAnswer } from './answers.js';

/**
 * What a guess says to each question, in the order of the questions; '' where it says nothing, or nothing of the
 * question's kind: that is wrong, and costs the same comparison. Answers that nobody asked for are left out.
 * @param answers as they came out of the seal
 */
export function answersTo(questions: readonly Question[], answers: unknown): ReadonlyMap<string, string> {
  const given = new Map<string, unknown>(
    typeof answers === 'object' && answers !== null ? Object.entries(answers) : [],
  );
  return new Map(
    questions.map((question) => {
      const text = given.get(question.name);
      return [question.name, (typeof text === 'string' ? normalizeAnswer(question, text) : undefined) ?? ''];
    }),
  );
}

/**
 * What right answers show of a caller. Others know them too, so they identify and do not verify (NIST SP 800-63A-4 and
 * SP 800-63B-4 section 3.2.2 accept no knowledge-based verification), unless somebody answers for it and not for ever.
 * @param now in milliseconds since 1970
 */
export function knowledgeLevel({ waiver }: Pick<KnowledgePolicy, 'waiver'>, now: number): Level {
  return waiver && now < Date.parse(waiver.expires) ? 'verified' : 'identified';
}
