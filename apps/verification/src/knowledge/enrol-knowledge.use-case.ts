import { Injectable } from '@nestjs/common';
import { type Violation } from '@countersign/contracts';
import { answerRule, isPlaceholder, normalizeAnswer } from '@countersign/normalization';
import { LOWEST_CAP } from '../attempts/attempt-counter.decision.js';
import { KnowledgePolicies } from './knowledge.ports.js';
import { PinVault } from '../credentials/credentials.ports.js';
import { SubjectStore } from '../subjects/subjects.ports.js';

/** Fewest and most answers of a subject. A policy has at most as many questions. */
const MOST_ANSWERS = 10;
/** Names that may be repeated in an answer; anything else may be a secret in the wrong place. */
const QUESTION_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Every attempt at them would be rejected: all that an agent asks must match. */
const INCOMPLETE = [
  { field: 'answers', rule: "must answer every question of the tenant's policy or of one of its agents" },
];

const NO_PLACEHOLDER = 'must not be what language models write for nothing, such as none, null or unknown';

/** Answers that somebody wants enrolled for a subject, as they came. */
export interface KnowledgeRequest {
  readonly commandId: string;
  readonly tenant: string;
  readonly subject: string;
  readonly answers: unknown;
}

export type KnowledgeEnrolment = 'created' | 'updated' | 'not_found' | readonly Violation[];

/** Enrols the answers of a subject in place of all earlier ones. */
@Injectable()
export class EnrolKnowledge {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly vault: PinVault,
    private readonly policies: KnowledgePolicies,
  ) {}

  /** @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable */
  async enrol({ commandId, tenant, subject, answers }: KnowledgeRequest): Promise<KnowledgeEnrolment> {
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'knowledge');
    if (!enrolled) return 'not_found';
    if (enrolled.repeated) return 'updated';
    const normal = this.#normalized(tenant, answers);
    if (!(normal instanceof Map)) return normal;
    const wrap = await this.vault.prepareAnswers(normal, tenant);
    // Whoever enrols answers replaces all of them: what came in between is replaced too.
    for (let replaces = enrolled.version; ;) {
      const credential = {
        kind: 'knowledge',
        replaces,
        again: false,
        mustChange: false,
        cap: LOWEST_CAP,
        wrap,
      } as const;
      const result = await this.subjects.enrol(commandId, tenant, subject, { ...credential, by: 'administrator' });
      if (result !== 'outdated') return result;
      replaces = (await this.subjects.enrolled(commandId, tenant, subject, 'knowledge'))?.version ?? 0;
    }
  }

  #normalized(tenant: string, answers: unknown): Map<string, string> | readonly Violation[] {
    const given = typeof answers === 'object' && answers !== null ? Object.entries(answers) : [];
    if (given.length < 1 || given.length > MOST_ANSWERS) {
      return [{ field: 'answers', rule: `must have 1 to ${MOST_ANSWERS} answers` }];
    }
    const questions = this.policies.questions(tenant);
    const normal = new Map<string, string>();
    const violations: Violation[] = [];
    for (const [name, text] of given) {
      const field = QUESTION_NAME.test(name) ? `answers.${name}` : 'answers';
      const question = questions.get(name);
      const answer = question && (typeof text === 'string' ? normalizeAnswer(question, text) : undefined);
      if (!question) violations.push({ field, rule: "must be a question of the tenant's policy" });
      else if (answer === undefined) violations.push({ field, rule: answerRule(question) });
      // Said on the telephone it would be asked for again, for ever: models write it for an answer that nobody gave.
      else if (isPlaceholder(String(text))) violations.push({ field, rule: NO_PLACEHOLDER });
      else normal.set(name, answer);
    }
    if (violations.length > 0) return violations;
    const asked = this.policies.questionSets(tenant).filter((questions) => questions.length > 0);
    return asked.some((questions) => questions.every(({ name }) => normal.has(name))) ? normal : INCOMPLETE;
  }
}
