import { randomUUID } from 'node:crypto';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentRequested,
  message,
  PolicyChangeRequested,
  PolicyRequested,
  TenantChangeRequested,
  TenantRequested,
  type Actor,
  type CommandAnswered,
  type FieldsOf,
} from '@countersign/contracts';
import { TEST_ACTOR } from '@countersign/testing';
import { ManageAgents } from '../src/agents/manage-agents.use-case.js';
import { ChangeDirectory } from '../src/change-directory.use-case.js';
import { type DirectoryStore } from '../src/directory.ports.js';
import { PublishedEntries, type InstallationPolicy } from '../src/policies/published-entries.js';
import { ManageTenants } from '../src/tenants/manage-tenants.use-case.js';
import { ManagePolicies } from '../src/policies/manage-policies.use-case.js';
import { FakeDirectoryCaches } from './directory.fake.js';

type Change<T extends { commandId: string }> = Omit<T, 'commandId' | 'actor' | 'tenant' | 'agent' | 'partitionKey'>;

interface Options {
  readonly installation?: InstallationPolicy;
  readonly actor?: Actor;
}

/** The use cases of the directory on a store. Every call is a new command. */
export function useCasesOn(store: DirectoryStore, options: Options = {}) {
  const { installation = { policy: {}, mayLoosen: [] }, actor = TEST_ACTOR } = options;
  const entries = new PublishedEntries(installation, () => undefined);
  const directory = new ChangeDirectory(store, entries, new FakeDirectoryCaches());
  const tenants = new ManageTenants(directory, entries, store);
  const agents = new ManageAgents(directory, entries, store);
  const policies = new ManagePolicies(directory, tenants, agents, entries);
  const ids = (tenant: string) => ({ commandId: randomUUID(), actor, tenant });
  return {
    directory,
    tenants,
    agents,
    setTenant: (tenant: string, fields: Partial<FieldsOf<TenantChangeRequested>> = {}): Promise<CommandAnswered> =>
      tenants.change(message(TenantChangeRequested, { ...ids(tenant), mode: 'set', name: tenant, ...fields })),
    readTenant: (tenant: string): Promise<CommandAnswered> => tenants.read(message(TenantRequested, ids(tenant))),
    createAgent: (tenant: string, agent: string, policy: Record<string, unknown> = {}): Promise<CommandAnswered> => {
      const hashes = { passwordHash: '1'.repeat(64), apiKeyHash: '2'.repeat(64) };
      return agents.create(message(AgentCreateRequested, { ...ids(tenant), agent, policy, ...hashes }));
    },
    changeAgent: (tenant: string, agent: string, change: Change<AgentChangeRequested>): Promise<CommandAnswered> =>
      agents.change(message(AgentChangeRequested, { ...ids(tenant), agent, ...change })),
    deleteAgent: (tenant: string, agent: string, change: Change<AgentDeleteRequested>): Promise<CommandAnswered> =>
      agents.delete(message(AgentDeleteRequested, { ...ids(tenant), agent, ...change })),
    readAgent: (tenant: string, agent: string): Promise<CommandAnswered> =>
      agents.read(message(AgentRequested, { ...ids(tenant), agent })),
    /** Undefined agent: the policy of the tenant itself. */
    readPolicy: (tenant: string, agent?: string): Promise<CommandAnswered> =>
      policies.read(message(PolicyRequested, { ...ids(tenant), ...(agent !== undefined && { agent }) })),
    changePolicy: (tenant: string, change: Change<PolicyChangeRequested> & { agent?: string }) =>
      policies.change(message(PolicyChangeRequested, { ...ids(tenant), ...change })),
  };
}
