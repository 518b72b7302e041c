import { Injectable } from '@nestjs/common';
import {
  type AttemptPolicy,
  type KnowledgePolicy,
  type KnowledgeQuestion,
  type TenantPublished,
} from '@countersign/contracts';
import { DirectoryCache } from '@countersign/directory-cache';
import { CallPolicies } from '../calls/calls.ports.js';
import { type CallPolicy } from '../calls/call-state.decision.js';
import { AttemptPolicies } from './attempts.ports.js';
import { KnowledgePolicies } from '../knowledge/knowledge.ports.js';

/** Policies from this service's directory cache. */
@Injectable()
export class DirectoryPolicies extends AttemptPolicies {
  constructor(private readonly directory: DirectoryCache) {
    super();
  }

  override hasTenant(tenant: string): boolean {
    return this.directory.tenant(tenant) !== undefined;
  }

  override of(tenant: string, agent: string): AttemptPolicy | undefined {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant ? known.policy.attempts : undefined;
  }

  override longestWindow(tenant: string): number {
    const policies = [...this.directory.agentsOf(tenant), ...tenantOf(this.directory, tenant)];
    return Math.max(0, ...policies.map(({ policy }) => policy.attempts.windowSeconds));
  }

  override discloseUnknown(tenant: string, agent: string): boolean {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant && known.policy.discloseUnknownCaller;
  }
}

/** Questions and waivers from the same cache. */
@Injectable()
export class DirectoryKnowledge extends KnowledgePolicies {
  constructor(private readonly directory: DirectoryCache) {
    super();
  }

  override of(tenant: string, agent: string): KnowledgePolicy | undefined {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant ? known.policy.knowledge : undefined;
  }

  /** Where an agent gives a question another kind than its tenant does, the tenant's holds for enrolment. */
  override questions(tenant: string): ReadonlyMap<string, KnowledgeQuestion> {
    const questions = new Map<string, KnowledgeQuestion>();
    for (const asked of this.questionSets(tenant)) for (const question of asked) questions.set(question.name, question);
    return questions;
  }

  override questionSets(tenant: string): readonly (readonly KnowledgeQuestion[])[] {
    const policies = [...this.directory.agentsOf(tenant), ...tenantOf(this.directory, tenant)];
    return policies.map(({ policy }) => policy.knowledge.questions);
  }
}

function tenantOf(directory: DirectoryCache, tenant: string): readonly TenantPublished[] {
  const known = directory.tenant(tenant);
  return known ? [known] : [];
}

/** What agents say of verified calls, from the same copy. */
@Injectable()
export class DirectoryCallPolicies extends CallPolicies {
  constructor(private readonly directory: DirectoryCache) {
    super();
  }

  override of(tenant: string, agent: string): CallPolicy | undefined {
    const known = this.directory.agent(agent);
    if (known?.tenant !== tenant) return undefined;
    const { verifiedSeconds, endVerificationOnChange, trustsCallsOf, knowledge } = known.policy;
    const { createdAt: agentCreatedAt } = known;
    return { agentCreatedAt, verifiedSeconds, endVerificationOnChange, trustsCallsOf, waiver: knowledge.waiver };
  }
}
