import { type KnowledgePolicy, type KnowledgeQuestion } from '@countersign/contracts';

/** The knowledge questions of policies. */
export abstract class KnowledgePolicies {
  /** The knowledge policy of an agent; undefined: the tenant has no such agent (any more). */
  abstract of(tenant: string, agent: string): KnowledgePolicy | undefined;
  /** The questions of a tenant and its agents by name: the questions for which answers can be enrolled. */
  abstract questions(tenant: string): ReadonlyMap<string, KnowledgeQuestion>;
  /** Sets of questions that are asked together: those of the tenant's policy, and those of each of its agents. */
  abstract questionSets(tenant: string): readonly (readonly KnowledgeQuestion[])[];
}
