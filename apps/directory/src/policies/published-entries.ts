import {
  AgentPublished,
  AgentRemoved,
  ApiKeyPublished,
  ApiKeyRemoved,
  message,
  TenantPublished,
  type Message,
  type Policy,
  type Violation,
} from '@countersign/contracts';
import { type AgentRecord, type ApiKeyRecord, type TenantRecord, type TenantSnapshot } from '../directory.ports.js';
import { type RawPolicy } from './effective-policy.decision.js';
import { checkPolicy } from './policy-rules.js';

/** A change that violates rules. Thrown inside the store's transaction, which rolls back. */
export class InvalidChange extends Error {
  constructor(readonly violations: readonly Violation[]) {
    super('invalid');
  }
}

/** A stored policy that has become invalid, because the policy of the installation or the rules have changed. */
export interface InvalidPolicy {
  readonly tenant: string;
  /** Undefined: the tenant's own policy is invalid, so none of its agents can authenticate. */
  readonly agent?: string;
  /** Name fields and rules, never a value. */
  readonly violations: readonly Violation[];
}

/** Builds the entries that the directory publishes: tenants and agents with their effective policies. */
export class PublishedEntries {
  /**
   * @param base the policies that every tenant inherits, the lowest first: the product's defaults, then the installation's
   * policy
   * @param onInvalid called for each policy because of which agents are removed; must not throw
   */
  constructor(
    private readonly base: readonly RawPolicy[],
    private readonly onInvalid: (invalid: InvalidPolicy) => void,
  ) {}

  /**
   * The policy of an agent, or of a tenant without `agent`.
   * @throws InvalidChange if it is invalid
   */
  policyOf(tenant: TenantRecord, agent?: AgentRecord): Policy {
    const checked = checkPolicy(...this.base, tenant.policy, ...(agent ? [agent.policy] : []));
    if ('policy' in checked) return checked.policy;
    throw new InvalidChange(checked.violations);
  }

  /**
   * A changed tenant and its agents, which inherit from it. A disabled agent is not checked: it is checked when it is
   * enabled.
   * @throws InvalidChange if the policy of the tenant, or of an agent that is not disabled, is invalid
   */
  ofTenant(tenant: TenantRecord, agents: readonly AgentRecord[]): Message[] {
    const entry = this.#tenantEntry(tenant);
    return [entry, ...agents.map((agent) => (isDisabled(agent) ? removed(agent) : this.#agentEntry(tenant, agent)))];
  }

  /**
   * A changed agent. An agent that cannot authenticate is removed from all caches, whatever its policy is.
   * @throws InvalidChange if it can authenticate, and its policy or its tenant's is invalid
   */
  ofAgent(tenant: TenantRecord, agent: AgentRecord): AgentPublished | AgentRemoved {
    if (isDisabled(tenant) || isDisabled(agent)) return removed(agent);
    this.policyOf(tenant);
    return this.#agentEntry(tenant, agent);
  }

  /** A changed API key. It does not depend on a policy, so a key can mend an invalid one. */
  ofApiKey(tenant: TenantRecord, key: ApiKeyRecord): ApiKeyPublished | ApiKeyRemoved {
    const { keyId, scopes, agent, hashes, expiresAt } = key;
    if (isDisabled(tenant) || isDisabled(key)) return message(ApiKeyRemoved, { keyId });
    return message(ApiKeyPublished, {
      ...{ tenant: tenant.tenant, keyId, scopes: [...scopes], ...(agent !== null && { agent }), hashes: [...hashes] },
      ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    });
  }

  /**
   * The tenant with its agents and API keys. Policies that were valid when they were stored can be invalid now. An agent whose policy is
   * invalid is removed from all caches, and so is every agent of a tenant whose policy is invalid. The last entry of such a
   * tenant stays: no agent authenticates with it, and rules about its subjects depend on it.
   */
  validEntriesOf({ tenant, agents, keys }: TenantSnapshot): Message[] {
    if (!tenant) return [];
    const ofKeys = keys.map((key) => this.ofApiKey(tenant, key));
    const entry = this.#ifValid({ tenant: tenant.tenant }, () => this.#tenantEntry(tenant));
    if (!entry) return [...agents.map(removed), ...ofKeys];
    const ofAgent = (agent: AgentRecord): Message => {
      if (isDisabled(tenant) || isDisabled(agent)) return removed(agent);
      return this.#ifValid(agent, () => this.#agentEntry(tenant, agent)) ?? removed(agent);
    };
    return [entry, ...agents.map(ofAgent), ...ofKeys];
  }

  #tenantEntry(tenant: TenantRecord): TenantPublished {
    return message(TenantPublished, { tenant: tenant.tenant, name: tenant.name, policy: this.policyOf(tenant) });
  }

  /** Checks the policy also while the tenant is disabled, so that enabling the tenant does not remove the agent. */
  #agentEntry(tenant: TenantRecord, agent: AgentRecord): AgentPublished | AgentRemoved {
    const policy = this.policyOf(tenant, agent);
    if (isDisabled(tenant)) return removed(agent);
    const { name, passwords, apiKeys } = agent;
    return message(AgentPublished, {
      ...{ tenant: agent.tenant, agent: agent.agent, name, policy },
      ...{ passwords: [...passwords], apiKeys: [...apiKeys] },
    });
  }

  #ifValid({ tenant, agent }: Omit<InvalidPolicy, 'violations'>, build: () => Message): Message | undefined {
    try {
      return build();
    } catch (error) {
      if (!(error instanceof InvalidChange)) throw error;
      this.onInvalid({ tenant, ...(agent !== undefined && { agent }), violations: error.violations });
      return undefined;
    }
  }
}

function isDisabled({ disabledAt }: Pick<TenantRecord, 'disabledAt'>): boolean {
  return disabledAt !== null;
}

function removed({ agent }: AgentRecord): AgentRemoved {
  return message(AgentRemoved, { agent });
}
