import { randomUUID } from 'node:crypto';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentRequested,
  DEFAULT_POLICY,
  message,
  TenantChangeRequested,
  TenantRequested,
  type CommandAnswered,
  type FieldsOf,
} from '@countersign/contracts';
import { TEST_ACTOR } from '@countersign/testing';
import { ManageAgents } from '../src/agents/manage-agents.use-case.js';
import { ChangeDirectory } from '../src/change-directory.use-case.js';
import { type DirectoryStore } from '../src/directory.ports.js';
import { PublishedEntries } from '../src/policies/published-entries.js';
import { ManageTenants } from '../src/tenants/manage-tenants.use-case.js';
import { FakeDirectoryCaches } from './directory.fake.js';

type Change<T extends { commandId: string }> = Omit<T, 'commandId' | 'actor' | 'tenant' | 'agent' | 'partitionKey'>;

/** The use cases of the directory on a store. Every call is a new command. */
export function useCasesOn(store: DirectoryStore) {
  const entries = new PublishedEntries([DEFAULT_POLICY, {}], () => undefined);
  const directory = new ChangeDirectory(store, entries, new FakeDirectoryCaches());
  const tenants = new ManageTenants(directory, entries, store);
  const agents = new ManageAgents(directory, entries, store);
  const ids = (tenant: string) => ({ commandId: randomUUID(), actor: TEST_ACTOR, tenant });
  return {
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
  };
}
