import { Injectable } from '@nestjs/common';
import {
  AgentPublished,
  CommandAnswered,
  message,
  TenantPublished,
  type AgentCreateRequested,
  type AgentChangeRequested,
  type AgentRotateRequested,
  type Message,
  type Policy,
  type SecretHash,
  type TenantChangeRequested,
  type Violation,
} from '@countersign/contracts';
import { checkPolicy } from '../policies/policy-rules.js';
import { changedFields, changePolicy } from '../policies/change-policy.decision.js';
import { type RawPolicy } from '../policies/effective-policy.decision.js';
import {
  BasePolicies,
  DirectoryStore,
  type AgentRecord,
  type DirectoryChange,
  type TenantRecord,
  type TenantSnapshot,
} from './directory.ports.js';

type Answer = CommandAnswered['answer'];

/** A change that violates rules. Thrown inside the store's transaction, which rolls back. */
class InvalidChange extends Error {
  constructor(readonly violations: readonly Violation[]) {
    super('invalid');
  }
}

/** Changes tenants, agents and policies. Each change is published in the transaction that writes it. */
@Injectable()
export class ManageDirectory {
  constructor(
    private readonly store: DirectoryStore,
    private readonly basePolicies: BasePolicies,
  ) {}

  changeTenant(command: TenantChangeRequested): Promise<CommandAnswered> {
    let answer: Answer = 'created';
    return this.#change(
      command,
      () => answer,
      ({ tenant: before, agents }) => {
        if (before) answer = 'updated';
        else if (command.mode === 'merge') return 'not_found';
        const old = before ?? { name: '', policy: {} };
        const policy = changePolicy(old.policy, command.policy, command.mode);
        const tenant: TenantRecord = { tenant: command.tenant, name: command.name ?? old.name, policy };
        const changed = changedFieldsOf(old, tenant);
        if (before && changed.length === 0) return undefined;
        const published = this.#tenantEntry(tenant);
        // The agents inherit the tenant's policy, so each of them changes too.
        const publish = [published, ...agents.map((agent) => this.#agentEntry(tenant, agent))];
        return { tenant, publish, fact: { kind: 'tenant.changed', detail: detailWith(changed, published.policy) } };
      },
    );
  }

  createAgent(command: AgentCreateRequested): Promise<CommandAnswered> {
    return this.#change(
      command,
      () => 'created',
      ({ tenant, agents }) => {
        if (!tenant) return 'not_found';
        if (agents.some(({ agent }) => agent === command.agent)) return 'taken';
        const created = {
          tenant: command.tenant,
          agent: command.agent,
          name: command.name ?? command.agent,
          policy: command.policy ?? {},
          passwords: [{ hash: command.passwordHash }],
          apiKeys: [{ hash: command.apiKeyHash }],
        };
        return this.#changeAgent('agent.created', tenant, created, changedFieldsOf({ name: '', policy: {} }, created));
      },
    );
  }

  rotateAgent(command: AgentRotateRequested): Promise<CommandAnswered> {
    return this.#change(
      command,
      () => 'updated',
      ({ tenant, agents, now }) => {
        const before = agents.find(({ agent }) => agent === command.agent);
        if (!tenant || !before) return 'not_found';
        const graceEnds = new Date(Date.parse(now) + command.graceSeconds * 1000).toISOString();
        const rotated = {
          ...before,
          passwords: [{ hash: command.passwordHash }, ...withinGrace(before.passwords, now, graceEnds)],
          apiKeys: [{ hash: command.apiKeyHash }, ...withinGrace(before.apiKeys, now, graceEnds)],
        };
        return this.#changeAgent('agent.rotated', tenant, rotated, ['passwords', 'apiKeys']);
      },
    );
  }

  changeAgent(command: AgentChangeRequested): Promise<CommandAnswered> {
    return this.#change(
      command,
      () => 'updated',
      ({ tenant, agents }) => {
        const before = agents.find(({ agent }) => agent === command.agent);
        if (!tenant || !before) return 'not_found';
        const policy = changePolicy(before.policy, command.policy, command.mode);
        const agent = { ...before, name: command.name ?? before.name, policy };
        const changed = changedFieldsOf(before, agent);
        return changed.length === 0 ? undefined : this.#changeAgent('policy.changed', tenant, agent, changed);
      },
    );
  }

  /** Publishes all tenants and agents again. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  publishAll(): Promise<void> {
    return this.store.publishAll((snapshot) => this.#validEntries(snapshot));
  }

  /**
   * The tenant and its agents, without those that have no valid policy any more: the installation's policy can change in a
   * way that contradicts theirs. An agent without an entry cannot authenticate.
   */
  #validEntries({ tenant, agents }: TenantSnapshot): Message[] {
    if (!tenant) return [];
    const builders = [() => this.#tenantEntry(tenant), ...agents.map((agent) => () => this.#agentEntry(tenant, agent))];
    return builders.flatMap((build) => {
      try {
        return [build()];
      } catch (error) {
        if (error instanceof InvalidChange) return [];
        throw error;
      }
    });
  }

  async #change(
    command: { commandId: string; tenant: string },
    success: () => Answer,
    decide: (snapshot: TenantSnapshot) => DirectoryChange | 'not_found' | 'taken' | undefined,
  ): Promise<CommandAnswered> {
    let refused: Answer | undefined;
    const answered = (answer: Answer, violations?: readonly Violation[]): CommandAnswered =>
      message(CommandAnswered, {
        commandId: command.commandId,
        answer,
        ...(violations ? { violations: [...violations] } : {}),
      });
    try {
      const result = await this.store.change(command.commandId, command.tenant, (snapshot) => {
        const change = decide(snapshot);
        if (typeof change !== 'string') return change;
        refused = change;
        return undefined;
      });
      return answered(result === 'taken' ? 'taken' : (refused ?? success()));
    } catch (error) {
      if (error instanceof InvalidChange) return answered('invalid', error.violations);
      throw error;
    }
  }

  #changeAgent(
    kind: DirectoryChange['fact']['kind'],
    tenant: TenantRecord,
    agent: AgentRecord,
    changed: readonly string[],
  ): DirectoryChange {
    const published = this.#agentEntry(tenant, agent);
    const fact = { kind, agent: agent.agent, detail: detailWith(changed, published.policy) };
    return { agents: [agent], publish: [published], fact };
  }

  #tenantEntry(tenant: TenantRecord): TenantPublished {
    return message(TenantPublished, {
      tenant: tenant.tenant,
      name: tenant.name,
      policy: effectivePolicy(...this.basePolicies.layers, tenant.policy),
    });
  }

  #agentEntry(tenant: TenantRecord, agent: AgentRecord): AgentPublished {
    return message(AgentPublished, {
      tenant: agent.tenant,
      agent: agent.agent,
      name: agent.name,
      passwords: [...agent.passwords],
      apiKeys: [...agent.apiKeys],
      policy: effectivePolicy(...this.basePolicies.layers, tenant.policy, agent.policy),
    });
  }
}

function effectivePolicy(...layers: readonly RawPolicy[]): TenantPublished['policy'] {
  const checked = checkPolicy(...layers);
  if ('policy' in checked) return checked.policy;
  throw new InvalidChange(checked.violations);
}

/** Name and policy as written, not merged with those above. */
type NameAndPolicy = Pick<TenantRecord, 'name' | 'policy'>;

/** Names of the fields that differ: `name`, `policy.<field>`. */
function changedFieldsOf(before: NameAndPolicy, after: NameAndPolicy): string[] {
  const policy = changedFields(before.policy, after.policy).map((field) => `policy.${field}`);
  return before.name === after.name ? policy : ['name', ...policy];
}

/**
 * The detail of the fact: the fields that changed. While a waiver allows knowledge alone to verify a caller, every change
 * also records its owner and its expiry.
 */
function detailWith(changed: readonly string[], { knowledge: { waiver } }: Policy): Readonly<Record<string, string>> {
  const fields = changed.join(' ');
  if (!waiver) return { fields };
  return { fields, knowledgeWaiverOwner: waiver.owner, knowledgeWaiverExpires: waiver.expires };
}

/** Earlier secrets that stay valid until the grace period ends. A rotation never extends an earlier grace period. */
function withinGrace(hashes: readonly SecretHash[], now: string, graceEnds: string): SecretHash[] {
  return hashes
    .map(({ hash, validUntil = graceEnds }) => ({ hash, validUntil: validUntil < graceEnds ? validUntil : graceEnds }))
    .filter(({ validUntil }) => validUntil > now);
}
