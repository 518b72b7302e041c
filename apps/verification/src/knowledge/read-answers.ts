import { type KnowledgeQuestion } from '@countersign/contracts';
import { normalizeAnswer } from '@countersign/normalization';

/**
 * Reads the submitted answer to each question, in the order of the questions. A missing answer, or one of another kind, becomes
 * '', which never matches and costs the same comparison. Answers to other questions are ignored.
 * @param answers from the decrypted payload, unchecked
 */
export function answersTo(questions: readonly KnowledgeQuestion[], answers: unknown): ReadonlyMap<string, string> {
  const submitted = new Map<string, unknown>(
    typeof answers === 'object' && answers !== null ? Object.entries(answers) : [],
  );
  return new Map(
    questions.map((question) => {
      const text = submitted.get(question.name);
      return [question.name, (typeof text === 'string' ? normalizeAnswer(question, text) : undefined) ?? ''];
    }),
  );
}
