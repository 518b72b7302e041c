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
  type DirectoryStore,
  type AgentRecord,
  type DirectoryChange,
  type TenantRecord,
  type TenantView,
} from './directory.ports.js';

type Answer = CommandAnswered['answer'];

/** A change that broke rules; thrown inside a decision so that nothing is written. */
class InvalidChange extends Error {
  constructor(readonly violations: readonly Violation[]) {
    super('invalid');
  }
}

/** Changes tenants, agents and policies; a change is published in the transaction that made it. */
export class ManageDirectory {
  /** @param layers the product's defaults and the instance's own policy, below every tenant's */
  constructor(
    private readonly store: DirectoryStore,
    private readonly layers: readonly RawPolicy[],
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
        const changed = changesOf(old, tenant);
        if (before && changed.length === 0) return undefined;
        // The agents inherit, so all of them are published again.
        const published = this.#published(tenant);
        const publish = [published, ...agents.map((agent) => this.#agent(tenant, agent))];
        return { tenant, publish, fact: { kind: 'tenant.changed', detail: detailOf(changed, published.policy) } };
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
        return this.#changeAgent('agent.created', tenant, created, changesOf({ name: '', policy: {} }, created));
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
          passwords: [{ hash: command.passwordHash }, ...expiring(before.passwords, now, graceEnds)],
          apiKeys: [{ hash: command.apiKeyHash }, ...expiring(before.apiKeys, now, graceEnds)],
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
        const changed = changesOf(before, agent);
        return changed.length === 0 ? undefined : this.#changeAgent('policy.changed', tenant, agent, changed);
      },
    );
  }

  /** Everything that is known of a tenant, as it is published. Entries that became invalid are left out. */
  entries({ tenant, agents }: TenantView): Message[] {
    if (!tenant) return [];
    return [() => this.#published(tenant), ...agents.map((agent) => () => this.#agent(tenant, agent))].flatMap(
      (make) => {
        try {
          return [make()];
        } catch (error) {
          // The instance's policy was changed in a way that this entry does not go with: its agent is refused.
          if (error instanceof InvalidChange) return [];
          throw error;
        }
      },
    );
  }

  async #change(
    command: { commandId: string; tenant: string },
    done: () => Answer,
    decide: (view: TenantView) => DirectoryChange | 'not_found' | 'taken' | undefined,
  ): Promise<CommandAnswered> {
    let refused: Answer | undefined;
    const answered = (answer: Answer, violations?: readonly Violation[]): CommandAnswered =>
      message(CommandAnswered, {
        commandId: command.commandId,
        answer,
        ...(violations ? { violations: [...violations] } : {}),
      });
    try {
      const result = await this.store.change(command.commandId, command.tenant, (view) => {
        const change = decide(view);
        if (typeof change !== 'string') return change;
        refused = change;
        return undefined;
      });
      return answered(result === 'taken' ? 'taken' : (refused ?? done()));
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
    const published = this.#agent(tenant, agent);
    const fact = { kind, agent: agent.agent, detail: detailOf(changed, published.policy) };
    return { agents: [agent], publish: [published], fact };
  }

  #published(tenant: TenantRecord): TenantPublished {
    return message(TenantPublished, {
      tenant: tenant.tenant,
      name: tenant.name,
      policy: effective(...this.layers, tenant.policy),
    });
  }

  #agent(tenant: TenantRecord, agent: AgentRecord): AgentPublished {
    return message(AgentPublished, {
      tenant: agent.tenant,
      agent: agent.agent,
      name: agent.name,
      passwords: [...agent.passwords],
      apiKeys: [...agent.apiKeys],
      policy: effective(...this.layers, tenant.policy, agent.policy),
    });
  }
}

function effective(...layers: readonly RawPolicy[]): TenantPublished['policy'] {
  const checked = checkPolicy(...layers);
  if ('policy' in checked) return checked.policy;
  throw new InvalidChange(checked.violations);
}

/** Name and policy as they were written. */
type Written = Pick<TenantRecord, 'name' | 'policy'>;

/** What differs: `name`, and `policy.` with the field of the policy. */
function changesOf(before: Written, after: Written): string[] {
  const policy = changedFields(before.policy, after.policy).map((field) => `policy.${field}`);
  return before.name === after.name ? policy : ['name', ...policy];
}

/** The fields that changed; and with every change who answers for it that knowledge alone verifies, and until when. */
function detailOf(changed: readonly string[], { knowledge: { waiver } }: Policy): Readonly<Record<string, string>> {
  const fields = changed.join(' ');
  if (!waiver) return { fields };
  return { fields, knowledgeWaiverOwner: waiver.owner, knowledgeWaiverExpires: waiver.expires };
}

/** Earlier secrets stay valid until the grace ends, or until an earlier end that they had already. */
function expiring(hashes: readonly SecretHash[], now: string, graceEnds: string): SecretHash[] {
  return hashes
    .map((known) => ({
      hash: known.hash,
      validUntil: known.validUntil !== undefined && known.validUntil < graceEnds ? known.validUntil : graceEnds,
    }))
    .filter(({ validUntil }) => validUntil > now);
}
