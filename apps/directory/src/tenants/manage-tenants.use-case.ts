import { Injectable } from '@nestjs/common';
import {
  CommandAnswered,
  ERASING_SERVICES,
  message,
  TenantRemoved,
  type FieldsOf,
  type TenantChangeRequested,
  type TenantDeleteRequested,
  type TenantErased,
  type TenantListRequested,
  type TenantRequested,
  type TenantStateChangeRequested,
} from '@countersign/contracts';
import { ChangeDirectory, type CommandDecision, type View } from '../change-directory.use-case.js';
import { pageOf, tenantResource } from '../directory-resources.decision.js';
import { DirectoryStore, type TenantRecord, type TenantSnapshot } from '../directory.ports.js';
import { changeDetail, changedNames, changePolicy } from '../policies/change-policy.decision.js';
import { PublishedEntries } from '../policies/published-entries.js';

/** Carries out the commands about tenants. */
@Injectable()
export class ManageTenants {
  constructor(
    private readonly directory: ChangeDirectory,
    private readonly entries: PublishedEntries,
    private readonly store: DirectoryStore,
  ) {}

  /** @param view how the tenant is shown, and to which state its preconditions apply */
  change(command: FieldsOf<TenantChangeRequested>, view?: View): Promise<CommandAnswered> {
    return this.directory.change(
      command,
      ({ tenant: existing, agents, now }) => {
        if (!existing && (command.mode === 'merge' || command.name === undefined)) return { answer: 'not_found' };
        const before = existing ?? { name: '', policy: {}, createdAt: now, disabledAt: null, deletion: null };
        const policy = changePolicy(before.policy, command.policy, command.mode);
        const tenant: TenantRecord = { ...before, tenant: command.tenant, name: command.name ?? before.name, policy };
        const changed = changedNames(before, tenant);
        if (existing && changed.length === 0) return { answer: 'updated' };
        // The agents inherit the tenant's policy, so each of them changes too.
        const publish = this.entries.ofTenant(tenant, agents);
        this.entries.refuseLoosening(command, { tenant }, existing && { tenant: existing });
        this.entries.refuseLongPolicies({ tenant, agents }, { tenant: existing ?? tenant, agents });
        const fact = { kind: 'tenant.changed', detail: changeDetail(changed, this.entries.policyOf(tenant)) } as const;
        return { answer: existing ? 'updated' : 'created', change: { tenant, publish, fact } };
      },
      view,
    );
  }

  /** Disabling a tenant ends the authentication of all its agents and keys. Each agent and key keeps a state of its own. */
  changeState({ state, reason, ...command }: TenantStateChangeRequested): Promise<CommandAnswered> {
    return this.directory.change(command, ({ tenant: before, agents, keys, now }) => {
      if (!before) return { answer: 'not_found' };
      const isDisabled = state === 'disabled';
      if (isDisabled === (before.disabledAt !== null)) return { answer: 'updated' };
      const tenant = { ...before, disabledAt: isDisabled ? now : null };
      // Enabling fails if no agent could authenticate. One agent with an invalid policy does not keep the others disabled.
      if (!isDisabled) this.entries.policyOf(tenant);
      const publish = isDisabled
        ? [
            ...agents.map((agent) => this.entries.ofAgent(tenant, agent)),
            ...keys.map((key) => this.entries.ofApiKey(tenant, key)),
          ]
        : this.entries.validEntriesOf({ tenant, agents, keys, now });
      const fact = { kind: `tenant.${state}`, detail: { ...(reason !== undefined && { reason }) } } as const;
      return { answer: 'updated', change: { tenant, publish, fact } };
    });
  }

  /**
   * A tenant must be disabled first, so that one mistaken call cannot delete a tenant in use. It exists until every service has
   * erased its data, so that a tenant that is created again under the id inherits nothing.
   */
  delete(command: TenantDeleteRequested): Promise<CommandAnswered> {
    const decide = ({ tenant: before }: TenantSnapshot): CommandDecision => {
      if (!before) return { answer: 'not_found' };
      if (before.disabledAt === null) return { answer: 'not_disabled' };
      if (before.deletion) return { answer: 'updated' };
      const tenant: TenantRecord = { ...before, deletion: { erasedBy: [], actor: command.actor } };
      const fact = { kind: 'tenant.deletion_started', detail: {} } as const;
      return { answer: 'updated', change: { tenant, publish: [this.entries.ofDeletion(tenant)], fact } };
    };
    return this.directory.change(command, decide, undefined, true);
  }

  /** Deletes the tenant with its agents and API keys once the last service has erased its data. */
  erased({ service, createdAt, ...command }: TenantErased): Promise<CommandAnswered> {
    const decide = ({ tenant, agents, keys }: TenantSnapshot): CommandDecision => {
      // A late report about an earlier tenant of this id.
      if (!tenant?.deletion || tenant.createdAt.toISOString() !== createdAt) return { answer: 'not_found' };
      const { deletion } = tenant;
      const erasedBy = ERASING_SERVICES.filter((one) => one === service || deletion.erasedBy.includes(one));
      if (erasedBy.length === deletion.erasedBy.length) return { answer: 'updated' };
      if (erasedBy.length < ERASING_SERVICES.length)
        return {
          answer: 'updated',
          change: { tenant: { ...tenant, deletion: { ...deletion, erasedBy } }, publish: [] },
        };
      const publish = [message(TenantRemoved, { tenant: tenant.tenant })];
      const fact = { kind: 'tenant.deleted', actor: deletion.actor, detail: {} } as const;
      const deletedAgents = agents.map(({ agent }) => agent);
      const deletedKeys = keys.map(({ keyId }) => keyId);
      return { answer: 'updated', change: { deletedAgents, deletedKeys, deletesTenant: true, publish, fact } };
    };
    return this.directory.change(command, decide, undefined, true);
  }

  async read(command: TenantRequested): Promise<CommandAnswered> {
    const { commandId } = command;
    const body = await this.directory.read(command);
    return message(CommandAnswered, { commandId, ...(body ? { answer: 'found', body } : { answer: 'not_found' }) });
  }

  async list({ commandId, limit, cursor, state, tenants }: TenantListRequested): Promise<CommandAnswered> {
    const found = await this.store.tenants({ limit: limit + 1, after: cursor, state, tenants });
    const body = pageOf(found.map(tenantResource), limit, 'tenant');
    return message(CommandAnswered, { commandId, answer: 'found', body });
  }
}
