import { Injectable } from '@nestjs/common';
import {
  AgentPublished,
  AgentRemoved,
  message,
  TenantPublished,
  type Message,
  type Policy,
  type Violation,
} from '@countersign/contracts';
import { type AgentRecord, type TenantRecord, type TenantSnapshot } from '../directory.ports.js';
import { type RawPolicy } from './effective-policy.decision.js';
import { checkPolicy } from './policy-rules.js';

/** A change that violates rules. Thrown inside the store's transaction, which rolls back. */
export class InvalidChange extends Error {
  constructor(readonly violations: readonly Violation[]) {
    super('invalid');
  }
}

/** The policies that every tenant inherits, the lowest first: the product's defaults, then the installation's policy. */
export class BasePolicies {
  constructor(readonly layers: readonly RawPolicy[]) {}
}

/** Builds the entries that the directory publishes: tenants and agents with their effective policies. */
@Injectable()
export class PublishedEntries {
  constructor(private readonly base: BasePolicies) {}

  /**
   * The policy of an agent, or of a tenant without `agent`.
   * @throws InvalidChange if it is invalid
   */
  policyOf(tenant: TenantRecord, agent?: AgentRecord): Policy {
    const checked = checkPolicy(...this.base.layers, tenant.policy, ...(agent ? [agent.policy] : []));
    if ('policy' in checked) return checked.policy;
    throw new InvalidChange(checked.violations);
  }

  /** @throws InvalidChange if the effective policy is invalid */
  ofTenant(tenant: TenantRecord): TenantPublished {
    return message(TenantPublished, { tenant: tenant.tenant, name: tenant.name, policy: this.policyOf(tenant) });
  }

  /**
   * An agent that cannot authenticate is removed from all caches.
   * @throws InvalidChange if the effective policy is invalid
   */
  ofAgent(tenant: TenantRecord, agent: AgentRecord): AgentPublished | AgentRemoved {
    const policy = this.policyOf(tenant, agent);
    if (tenant.disabledAt !== null || agent.disabledAt !== null) return message(AgentRemoved, { agent: agent.agent });
    const { name, passwords, apiKeys } = agent;
    return message(AgentPublished, {
      ...{ tenant: agent.tenant, agent: agent.agent, name, policy },
      ...{ passwords: [...passwords], apiKeys: [...apiKeys] },
    });
  }

  /**
   * The tenant and its agents, without those that have no valid policy any more: the installation's policy can change in a
   * way that contradicts theirs. An agent without an entry cannot authenticate.
   */
  validEntriesOf({ tenant, agents }: TenantSnapshot): Message[] {
    if (!tenant) return [];
    const builders = [() => this.ofTenant(tenant), ...agents.map((agent) => () => this.ofAgent(tenant, agent))];
    return builders.flatMap((build) => {
      try {
        return [build()];
      } catch (error) {
        if (error instanceof InvalidChange) return [];
        throw error;
      }
    });
  }
}
