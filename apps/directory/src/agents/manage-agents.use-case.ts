import { Injectable } from '@nestjs/common';
import {
  AgentRemoved,
  ApiKeyRemoved,
  CommandAnswered,
  MAX_AGENTS,
  MAX_SECRET_HASHES,
  message,
  type AgentChangeRequested,
  type AgentCreateRequested,
  type AgentDeleteRequested,
  type AgentListRequested,
  type AgentRequested,
  type AgentRotateRequested,
  type AgentStateChangeRequested,
  type FieldsOf,
} from '@countersign/contracts';
import { ChangeDirectory, type CommandDecision, type View } from '../change-directory.use-case.js';
import { agentResource, pageOf } from '../directory-resources.decision.js';
import { DirectoryStore, type AgentRecord, type DirectoryFact, type TenantRecord } from '../directory.ports.js';
import { changeDetail, changedNames, changePolicy } from '../policies/change-policy.decision.js';
import { InvalidChange, PublishedEntries } from '../policies/published-entries.js';
import { withinGrace } from './grace-period.decision.js';

/** Most earlier secrets beside the current one. */
const MAX_EARLIER = MAX_SECRET_HASHES - 1;

/** A command about an agent that exists. */
type AgentCommand = Pick<AgentDeleteRequested, 'commandId' | 'actor' | 'tenant' | 'agent'>;

/** Carries out the commands about agents. */
@Injectable()
export class ManageAgents {
  constructor(
    private readonly directory: ChangeDirectory,
    private readonly entries: PublishedEntries,
    private readonly store: DirectoryStore,
  ) {}

  create(command: AgentCreateRequested): Promise<CommandAnswered> {
    return this.directory.change(command, ({ tenant, agents, now }) => {
      if (!tenant) return { answer: 'not_found' };
      if (agents.some(({ agent }) => agent === command.agent)) return { answer: 'taken' };
      if (agents.length >= MAX_AGENTS) {
        const rule = `a tenant has at most ${MAX_AGENTS} agents: delete one first`;
        throw new InvalidChange([{ field: 'body', rule }]);
      }
      const created = {
        tenant: command.tenant,
        agent: command.agent,
        name: command.name ?? command.agent,
        policy: command.policy ?? {},
        passwords: [{ hash: command.passwordHash }],
        apiKeys: [{ hash: command.apiKeyHash }],
        createdAt: now,
        disabledAt: null,
      };
      const detail = changeDetail(
        changedNames({ name: '', policy: {} }, created),
        this.entries.policyOf(tenant, created),
      );
      this.entries.refuseLoosening(command, { tenant, agent: created }, undefined);
      this.entries.refuseLongPolicies({ tenant, agents: [...agents, created] }, { tenant, agents });
      return this.#write('created', 'agent.created', tenant, created, detail);
    });
  }

  rotate(command: AgentRotateRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before, now) => {
      const graceEnds = new Date(now.getTime() + command.graceSeconds * 1000);
      const rotated = {
        ...before,
        passwords: [{ hash: command.passwordHash }, ...withinGrace(before.passwords, now, graceEnds, MAX_EARLIER)],
        apiKeys: [{ hash: command.apiKeyHash }, ...withinGrace(before.apiKeys, now, graceEnds, MAX_EARLIER)],
      };
      const changed = ['passwords', 'apiKeys'];
      // A disabled agent must get new secrets also while its policy is invalid, so its policy is not computed.
      const isPublished = tenant.disabledAt === null && before.disabledAt === null;
      const detail = changeDetail(changed, isPublished ? this.entries.policyOf(tenant, rotated) : undefined);
      return this.#write('updated', 'agent.rotated', tenant, rotated, detail);
    });
  }

  /** @param view how the agent is shown, and to which state its preconditions apply */
  change(command: FieldsOf<AgentChangeRequested>, view?: View): Promise<CommandAnswered> {
    return this.#change(
      command,
      (tenant, before, _now, agents) => {
        const policy = changePolicy(before.policy, command.policy, command.mode);
        const agent = { ...before, name: command.name ?? before.name, policy };
        const changed = changedNames(before, agent);
        if (changed.length === 0) return { answer: 'updated' };
        // Also while the agent is disabled, so that it can be enabled again.
        const detail = changeDetail(changed, this.entries.policyOf(tenant, agent));
        this.entries.refuseLoosening(command, { tenant, agent }, { tenant, agent: before });
        const others = agents.filter((one) => one !== before);
        this.entries.refuseLongPolicies({ tenant, agents: [...others, agent] }, { tenant, agents });
        return this.#write('updated', 'policy.changed', tenant, agent, detail);
      },
      view,
    );
  }

  changeState(command: AgentStateChangeRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before, now) => {
      const isDisabled = command.state === 'disabled';
      if (isDisabled === (before.disabledAt !== null)) return { answer: 'updated' };
      const agent = { ...before, disabledAt: isDisabled ? now : null };
      // An invalid policy must not keep an agent enabled.
      const detail = {
        ...changeDetail([], isDisabled ? undefined : this.entries.policyOf(tenant, agent)),
        ...(command.reason !== undefined && { reason: command.reason }),
      };
      return this.#write('updated', `agent.${command.state}`, tenant, agent, detail);
    });
  }

  delete(command: AgentDeleteRequested): Promise<CommandAnswered> {
    return this.directory.change(command, ({ agents, keys }) => {
      const { agent } = command;
      if (!agents.some((one) => one.agent === agent)) return { answer: 'not_found' };
      const fact = { kind: 'agent.deleted', agent, detail: {} } as const;
      const deletedKeys = keys.filter((key) => key.agent === agent).map(({ keyId }) => keyId);
      const publish = [
        message(AgentRemoved, { agent }),
        ...deletedKeys.map((keyId) => message(ApiKeyRemoved, { keyId })),
      ];
      return { answer: 'updated', change: { deletedAgents: [agent], deletedKeys, publish, fact } };
    });
  }

  async read(command: AgentRequested): Promise<CommandAnswered> {
    const { commandId } = command;
    const body = await this.directory.read(command);
    return message(CommandAnswered, { commandId, ...(body ? { answer: 'found', body } : { answer: 'not_found' }) });
  }

  async list({ commandId, tenant, limit, cursor, state }: AgentListRequested): Promise<CommandAnswered> {
    if (!(await this.store.tenant(tenant))) return message(CommandAnswered, { commandId, answer: 'not_found' });
    const found = await this.store.agents(tenant, { limit: limit + 1, after: cursor, state });
    const body = pageOf(found.map(agentResource), limit, 'agent');
    return message(CommandAnswered, { commandId, answer: 'found', body });
  }

  #change(
    command: AgentCommand,
    decide: (tenant: TenantRecord, agent: AgentRecord, now: Date, agents: readonly AgentRecord[]) => CommandDecision,
    view?: View,
  ): Promise<CommandAnswered> {
    return this.directory.change(
      command,
      ({ tenant, agents, now }) => {
        const agent = agents.find((one) => one.agent === command.agent);
        return tenant && agent ? decide(tenant, agent, now, agents) : { answer: 'not_found' };
      },
      view,
    );
  }

  #write(
    answer: 'created' | 'updated',
    kind: DirectoryFact['kind'],
    tenant: TenantRecord,
    agent: AgentRecord,
    detail: DirectoryFact['detail'],
  ): CommandDecision {
    const publish = [this.entries.ofAgent(tenant, agent)];
    return { answer, change: { agents: [agent], publish, fact: { kind, agent: agent.agent, detail } } };
  }
}
