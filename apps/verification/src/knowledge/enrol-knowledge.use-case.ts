import { Injectable } from '@nestjs/common';
import { type Actor, type Violation } from '@countersign/contracts';
import { answerRule, isPlaceholder, normalizeAnswer } from '@countersign/normalization';
import { LOWEST_CAP } from '../attempts/gate/attempt-counter.decision.js';
import { KnowledgePolicies } from './knowledge.ports.js';
import { PinVault } from '../credentials/credentials.ports.js';
import { SubjectStore } from '../subjects/subjects.ports.js';

/** The maximum number of answers of a subject, and of questions of a policy. */
const MAX_ANSWERS = 10;
/** Question names that a reply may repeat. Any other text may be a secret in the wrong place. */
const QUESTION_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Incomplete answers are useless: an attempt must match every question of its agent. */
const INCOMPLETE = [
  { field: 'answers', rule: "must answer every question of the tenant's policy or of one of its agents" },
];

const NO_PLACEHOLDER = 'must not be what language models write for nothing, such as none, null or unknown';

/** Answers to enrol for a subject, unchecked. */
export interface KnowledgeRequest {
  readonly commandId: string;
  readonly tenant: string;
  readonly subject: string;
  readonly answers: unknown;
  readonly actor?: Actor;
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
  async enrol({ commandId, tenant, subject, answers, actor }: KnowledgeRequest): Promise<KnowledgeEnrolment> {
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'knowledge');
    if (!enrolled) return 'not_found';
    if (enrolled.repeated) return 'updated';
    const normal = this.normalized(tenant, answers);
    if (!(normal instanceof Map)) return normal;
    const wrap = await this.vault.prepareAnswers(normal, tenant);
    // An enrolment replaces all answers, also those of an enrolment that was committed in the meantime.
    for (let replaces = enrolled.version; ;) {
      const credential = {
        kind: 'knowledge',
        replaces,
        again: false,
        mustChange: false,
        cap: LOWEST_CAP,
        actor,
        wrap,
      } as const;
      const result = await this.subjects.enrol(commandId, tenant, subject, { ...credential, by: 'administrator' });
      if (result !== 'outdated') return result;
      replaces = (await this.subjects.enrolled(commandId, tenant, subject, 'knowledge'))?.version ?? 0;
    }
  }

  /** The answers in normal form, by question; or the rules that they break. */
  normalized(tenant: string, answers: unknown): Map<string, string> | readonly Violation[] {
    const given = typeof answers === 'object' && answers !== null ? Object.entries(answers) : [];
    if (given.length < 1 || given.length > MAX_ANSWERS) {
      return [{ field: 'answers', rule: `must have 1 to ${MAX_ANSWERS} answers` }];
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
      // Language models write a placeholder if the caller gave no answer, so the adapters never accept one.
      else if (isPlaceholder(String(text))) violations.push({ field, rule: NO_PLACEHOLDER });
      else normal.set(name, answer);
    }
    if (violations.length > 0) return violations;
    const questionSets = this.policies.questionSets(tenant).filter((questions) => questions.length > 0);
    return questionSets.some((questions) => questions.every(({ name }) => normal.has(name))) ? normal : INCOMPLETE;
  }
}
