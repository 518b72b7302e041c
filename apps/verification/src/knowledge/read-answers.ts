import { type KnowledgeQuestion } from '@countersign/contracts';
import { normalizeAnswer } from '@countersign/normalization';

/**
 * What a guess says to each question, in the order of the questions; '' where it says nothing, or nothing of the
 * question's kind: that is wrong, and costs the same comparison. Answers that nobody asked for are left out.
 * @param answers as they came out of the seal
 */
export function answersTo(questions: readonly KnowledgeQuestion[], answers: unknown): ReadonlyMap<string, string> {
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
