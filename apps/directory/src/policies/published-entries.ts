import {
  AgentPublished,
  AgentRemoved,
  ApiKeyPublished,
  ApiKeyRemoved,
  DEFAULT_POLICY,
  MAX_TENANT_POLICY_BYTES,
  message,
  SIGNAL_DEFAULTS,
  TenantDeletionStarted,
  TenantPublished,
  type LoosenableField,
  type ManagementCommand,
  type Message,
  type Policy,
  type PolicyLevel,
  type Violation,
} from '@countersign/contracts';
import { type AgentRecord, type ApiKeyRecord, type TenantRecord, type TenantSnapshot } from '../directory.ports.js';
import { mergePolicies, sourcesOf, type RawPolicy } from './effective-policy.decision.js';
import { loosenedValues, type PolicyWithSignals } from './loosened-values.decision.js';
import { checkPolicy } from './policy-rules.js';

/** What the file named by `POLICY_FILE` holds. */
export interface InstallationPolicy {
  /** What differs from the defaults of the product. */
  readonly policy: RawPolicy;
  /** Fields that tenants may loosen. */
  readonly mayLoosen: readonly LoosenableField[];
}

/** A change that violates rules. Thrown inside the store's transaction, which rolls back. */
export class InvalidChange extends Error {
  constructor(readonly violations: readonly Violation[]) {
    super('invalid');
  }
}

/** A change that an operator may make only soon after a sign-in. Thrown and rolled back as {@link InvalidChange}. */
export class RecentSignInRequired extends Error {}

/** Who requests a change of a policy. */
type Requester = Pick<ManagementCommand, 'actor' | 'isSignInRecent'>;

/** A stored policy that has become invalid, because the policy of the installation or the rules have changed. */
export interface InvalidPolicy {
  readonly tenant: string;
  /** Undefined: the tenant's own policy is invalid, so none of its agents can authenticate. */
  readonly agent?: string;
  /** Name fields and rules, never a value. */
  readonly violations: readonly Violation[];
}

/** A tenant, or an agent of it, with its policy. */
interface ChangedPolicy {
  readonly tenant: TenantRecord;
  readonly agent?: AgentRecord;
}

/** Builds the entries that the directory publishes: tenants and agents with their effective policies. */
export class PublishedEntries {
  /** @param onInvalid called for each policy because of which agents are removed; must not throw */
  constructor(
    private readonly installation: InstallationPolicy,
    private readonly onInvalid: (invalid: InvalidPolicy) => void,
  ) {}

  /**
   * The policy of an agent, or of a tenant without `agent`.
   * @throws InvalidChange if it is invalid
   */
  policyOf(tenant: TenantRecord, agent?: AgentRecord): Policy {
    const checked = checkPolicy(...this.#layersOf(tenant, agent).map(({ policy }) => policy));
    if ('policy' in checked) return checked.policy;
    throw new InvalidChange(checked.violations);
  }

  /**
   * The policy of an agent, or of a tenant without `agent`, as the API shows it: the value of every field, and the level that
   * it comes from. A stored policy that has become invalid has `violations` too.
   */
  policyResource(tenant: TenantRecord, agent?: AgentRecord): Readonly<Record<string, unknown>> {
    const layers = this.#layersOf(tenant, agent);
    const policies = layers.map(({ policy }) => policy);
    const checked = checkPolicy(...policies);
    return {
      tenant: tenant.tenant,
      ...(agent && { agent: agent.agent }),
      policy: mergePolicies(...policies),
      sources: sourcesOf(layers),
      ...('violations' in checked && { violations: checked.violations }),
    };
  }

  /**
   * Refuses a change by which a tenant loosens what it inherits. The administrator of the installation may loosen anything, and
   * an operator who signed in recently.
   * @param before undefined: the tenant or the agent is new
   * @throws InvalidChange naming each value that is looser than the inherited one and than the one before
   * @throws RecentSignInRequired when an operator loosens a value and did not sign in recently
   */
  refuseLoosening(
    { actor: { kind }, isSignInRecent = false }: Requester,
    { tenant, agent }: ChangedPolicy,
    before: ChangedPolicy | undefined,
  ): void {
    if (kind === 'administrator' || (kind === 'operator' && isSignInRecent)) return;
    const inherited = this.policyOf(agent ? tenant : { ...tenant, policy: {} });
    // A policy that is invalid is in force nowhere, so it allows nothing.
    const checked = before && checkPolicy(...this.#layersOf(before.tenant, before.agent).map(({ policy }) => policy));
    const policyBefore = checked && 'policy' in checked ? checked.policy : inherited;
    const after = withSignals(this.policyOf(tenant, agent));
    const earlier = withSignals(policyBefore);
    // An operator may loosen every value, so each value that is looser than before counts.
    const [above, mayLoosen] =
      kind === 'operator' ? [earlier, []] : [withSignals(inherited), this.installation.mayLoosen];
    const violations = loosenedValues(after, above, earlier, mayLoosen);
    if (violations.length === 0) return;
    throw kind === 'operator' ? new RecentSignInRequired() : new InvalidChange(violations);
  }

  /**
   * Refuses a change after which the policies of a tenant's agents are longer together than every cache can hold, unless they
   * were longer before.
   * @throws InvalidChange
   */
  refuseLongPolicies(after: PoliciesOfTenant, before: PoliciesOfTenant): void {
    const length = this.#lengthOf(after);
    if (length <= MAX_TENANT_POLICY_BYTES || length <= this.#lengthOf(before)) return;
    const rule = `must leave at most ${MAX_TENANT_POLICY_BYTES} bytes of JSON for the policies of all agents of the tenant`;
    throw new InvalidChange([{ field: 'policy', rule }]);
  }

  /** Each agent's policy, together with what it inherits. A value that replaces an inherited one counts twice. */
  #lengthOf({ tenant, agents }: PoliciesOfTenant): number {
    const lengthOf = (policy: RawPolicy): number => Buffer.byteLength(JSON.stringify(policy));
    const inherited = lengthOf(mergePolicies(...this.#layersOf(tenant).map(({ policy }) => policy)));
    return agents.reduce((sum, { policy }) => sum + inherited + lengthOf(policy), 0);
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
    if (tenant.deletion) return [this.ofDeletion(tenant), ...agents.map(removed), ...ofKeys];
    const entry = this.#ifValid({ tenant: tenant.tenant }, () => this.#tenantEntry(tenant));
    if (!entry) return [...agents.map(removed), ...ofKeys];
    const ofAgent = (agent: AgentRecord): Message => {
      if (isDisabled(tenant) || isDisabled(agent)) return removed(agent);
      return this.#ifValid(agent, () => this.#agentEntry(tenant, agent)) ?? removed(agent);
    };
    return [entry, ...agents.map(ofAgent), ...ofKeys];
  }

  /** A tenant that is being deleted. */
  ofDeletion({ tenant, createdAt, deletion }: TenantRecord): TenantDeletionStarted {
    const actor = deletion && { actor: deletion.actor };
    return message(TenantDeletionStarted, { tenant, createdAt: createdAt.toISOString(), ...actor });
  }

  #tenantEntry(record: TenantRecord): TenantPublished {
    const mayLoosen = [...this.installation.mayLoosen];
    const { tenant, name } = record;
    const entry = { tenant, name, policy: this.policyOf(record), createdAt: record.createdAt.toISOString() };
    return message(TenantPublished, { ...entry, ...(mayLoosen.length > 0 && { mayLoosen }) });
  }

  /** The lowest level first. */
  #layersOf(tenant: TenantRecord, agent?: AgentRecord): { readonly level: PolicyLevel; readonly policy: RawPolicy }[] {
    return [
      { level: 'default', policy: DEFAULT_POLICY },
      { level: 'instance', policy: this.installation.policy },
      { level: 'tenant', policy: tenant.policy },
      ...(agent ? [{ level: 'agent', policy: agent.policy } as const] : []),
    ];
  }

  /** Checks the policy also while the tenant is disabled, so that enabling the tenant does not remove the agent. */
  #agentEntry(tenant: TenantRecord, agent: AgentRecord): AgentPublished | AgentRemoved {
    const policy = this.policyOf(tenant, agent);
    if (isDisabled(tenant)) return removed(agent);
    const { name, passwords, apiKeys } = agent;
    return message(AgentPublished, {
      ...{ tenant: agent.tenant, agent: agent.agent, name, policy, createdAt: agent.createdAt.toISOString() },
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

/** A tenant and all of its agents. */
interface PoliciesOfTenant {
  readonly tenant: TenantRecord;
  readonly agents: readonly AgentRecord[];
}

function withSignals(policy: Policy): PolicyWithSignals {
  return { ...policy, signals: { ...SIGNAL_DEFAULTS, ...policy.signals } };
}

function isDisabled({ disabledAt }: Pick<TenantRecord, 'disabledAt'>): boolean {
  return disabledAt !== null;
}

function removed({ agent }: AgentRecord): AgentRemoved {
  return message(AgentRemoved, { agent });
}
