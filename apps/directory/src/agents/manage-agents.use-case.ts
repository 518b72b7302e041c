import { Injectable } from '@nestjs/common';
import {
  type AgentChangeRequested,
  type AgentCreateRequested,
  type AgentRotateRequested,
  type CommandAnswered,
} from '@countersign/contracts';
import { ChangeDirectory, type CommandDecision } from '../change-directory.use-case.js';
import { type AgentRecord, type DirectoryChange, type TenantRecord } from '../directory.ports.js';
import { changeDetail, changedNames, changePolicy } from '../policies/change-policy.decision.js';
import { PublishedEntries } from '../policies/published-entries.js';
import { withinGrace } from './grace-period.decision.js';

type AgentCommand = AgentChangeRequested | AgentRotateRequested;

/** Carries out the commands about agents. */
@Injectable()
export class ManageAgents {
  constructor(
    private readonly directory: ChangeDirectory,
    private readonly entries: PublishedEntries,
  ) {}

  create(command: AgentCreateRequested): Promise<CommandAnswered> {
    return this.directory.change(command, ({ tenant, agents }) => {
      if (!tenant) return { answer: 'not_found' };
      if (agents.some(({ agent }) => agent === command.agent)) return { answer: 'taken' };
      const created = {
        tenant: command.tenant,
        agent: command.agent,
        name: command.name ?? command.agent,
        policy: command.policy ?? {},
        passwords: [{ hash: command.passwordHash }],
        apiKeys: [{ hash: command.apiKeyHash }],
      };
      const changed = changedNames({ name: '', policy: {} }, created);
      return { answer: 'created', change: this.#write('agent.created', tenant, created, changed) };
    });
  }

  rotate(command: AgentRotateRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before, now) => {
      const graceEnds = new Date(Date.parse(now) + command.graceSeconds * 1000).toISOString();
      const rotated = {
        ...before,
        passwords: [{ hash: command.passwordHash }, ...withinGrace(before.passwords, now, graceEnds)],
        apiKeys: [{ hash: command.apiKeyHash }, ...withinGrace(before.apiKeys, now, graceEnds)],
      };
      return { answer: 'updated', change: this.#write('agent.rotated', tenant, rotated, ['passwords', 'apiKeys']) };
    });
  }

  change(command: AgentChangeRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before) => {
      const policy = changePolicy(before.policy, command.policy, command.mode);
      const agent = { ...before, name: command.name ?? before.name, policy };
      const changed = changedNames(before, agent);
      if (changed.length === 0) return { answer: 'updated' };
      return { answer: 'updated', change: this.#write('policy.changed', tenant, agent, changed) };
    });
  }

  #change(
    command: AgentCommand,
    decide: (tenant: TenantRecord, agent: AgentRecord, now: string) => CommandDecision,
  ): Promise<CommandAnswered> {
    return this.directory.change(command, ({ tenant, agents, now }) => {
      const agent = agents.find((one) => one.agent === command.agent);
      return tenant && agent ? decide(tenant, agent, now) : { answer: 'not_found' };
    });
  }

  #write(
    kind: DirectoryChange['fact']['kind'],
    tenant: TenantRecord,
    agent: AgentRecord,
    changed: readonly string[],
  ): DirectoryChange {
    const published = this.entries.ofAgent(tenant, agent);
    const fact = { kind, agent: agent.agent, detail: changeDetail(changed, published.policy) };
    return { agents: [agent], publish: [published], fact };
  }
}
