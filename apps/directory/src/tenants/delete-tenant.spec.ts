import { randomUUID } from 'node:crypto';
import {
  AgentRemoved,
  AgentRotateRequested,
  AgentStateChangeRequested,
  ERASING_SERVICES,
  message,
  TenantDeleteRequested,
  TenantDeletionStarted,
  TenantErased,
  TenantRemoved,
  TenantStateChangeRequested,
  type CommandAnswered,
  type DirectoryState,
  type ErasingService,
} from '@countersign/contracts';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { FakeDirectoryStore } from '../../test/directory.fake.js';
import { useCasesOn } from '../../test/use-cases.js';

let clock: ManualClock;
let store: FakeDirectoryStore;
let calls: ReturnType<typeof useCasesOn>;

beforeEach(() => {
  clock = new ManualClock();
  store = new FakeDirectoryStore(clock);
  calls = useCasesOn(store);
});

const ids = (tenant: string) => ({ commandId: randomUUID(), actor: TEST_ACTOR, tenant });
const setState = (tenant: string, state: DirectoryState): Promise<CommandAnswered> =>
  calls.tenants.changeState(message(TenantStateChangeRequested, { ...ids(tenant), state }));
const deleteTenant = (tenant: string): Promise<CommandAnswered> =>
  calls.tenants.delete(message(TenantDeleteRequested, ids(tenant)));
const erased = (tenant: string, service: ErasingService, createdAt: string): Promise<CommandAnswered> =>
  calls.tenants.erased(message(TenantErased, { commandId: randomUUID(), tenant, service, createdAt }));
/** @returns the time of the creation of the tenant */
const beginToDelete = async (tenant: string): Promise<string> => {
  await calls.setTenant(tenant);
  await calls.createAgent(tenant, `desk-of-${tenant}`);
  await setState(tenant, 'disabled');
  return String((await deleteTenant(tenant)).body?.['createdAt']);
};

describe('the deletion of a tenant', () => {
  it('needs a disabled tenant, and removes it with its agents once every service has erased it', async () => {
    await calls.setTenant('acme');
    expect((await deleteTenant('acme')).answer).toBe('not_disabled');
    expect((await calls.readTenant('acme')).body).toMatchObject({ state: 'enabled' });
    const createdAt = await beginToDelete('acme');
    expect(await deleteTenant('acme')).toMatchObject({ answer: 'updated', body: { state: 'deleting' } });
    expect((await calls.readTenant('acme')).body).toMatchObject({ state: 'deleting' });
    expect(store.published.at(-1)).toEqual(
      message(TenantDeletionStarted, { tenant: 'acme', createdAt, actor: TEST_ACTOR }),
    );
    await erased('acme', 'verification', createdAt);
    await erased('acme', 'verification', createdAt);
    expect((await calls.readTenant('acme')).body).toMatchObject({ state: 'deleting' });
    await erased('acme', 'rate-limit', createdAt);
    expect((await calls.readTenant('acme')).body).toMatchObject({ state: 'deleting' });
    await erased('acme', 'webhooks', createdAt);
    expect((await calls.readTenant('acme')).answer).toBe('not_found');
    expect((await calls.readAgent('acme', 'desk-of-acme')).answer).toBe('not_found');
    expect(store.published.at(-1)).toEqual(message(TenantRemoved, { tenant: 'acme' }));
    expect(store.facts.slice(-2)).toMatchObject([
      { kind: 'tenant.deletion_started', actor: TEST_ACTOR },
      { kind: 'tenant.deleted', actor: TEST_ACTOR },
    ]);
    expect((await deleteTenant('acme')).answer).toBe('not_found');
  });

  it('refuses every change of the tenant and of its agents meanwhile', async () => {
    await beginToDelete('acme');
    const [published, facts] = [store.published.length, store.facts.length];
    const agent = { ...ids('acme'), agent: 'desk-of-acme' };
    const hashes = { passwordHash: '3'.repeat(64), apiKeyHash: '4'.repeat(64), graceSeconds: 0 };
    const answers = [
      await calls.setTenant('acme'),
      await setState('acme', 'enabled'),
      await calls.createAgent('acme', 'help'),
      await calls.changeAgent('acme', agent.agent, { mode: 'merge', name: 'Desk' }),
      await calls.agents.rotate(message(AgentRotateRequested, { ...agent, commandId: randomUUID(), ...hashes })),
      await calls.agents.changeState(message(AgentStateChangeRequested, { ...agent, state: 'enabled' })),
      await calls.deleteAgent('acme', agent.agent, {}),
    ];
    expect(answers.map(({ answer }) => answer)).toEqual(answers.map(() => 'deleting'));
    expect([store.published.length, store.facts.length]).toEqual([published, facts]);
    await calls.directory.publishAll();
    const again = store.published.slice(published).map((entry) => entry.constructor);
    expect(again).toEqual([TenantDeletionStarted, AgentRemoved]);
  });

  it('ignores a late report about an earlier tenant of the same id, and one about a tenant that is in use', async () => {
    const first = await beginToDelete('acme');
    for (const service of ERASING_SERVICES) await erased('acme', service, first);
    clock.advance(1);
    const second = await beginToDelete('acme');
    for (const service of ERASING_SERVICES) await erased('acme', service, first);
    expect((await calls.readTenant('acme')).body).toMatchObject({ state: 'deleting', createdAt: second });
    await calls.setTenant('other');
    for (const service of ERASING_SERVICES) await erased('other', service, second);
    expect((await calls.readTenant('other')).body).toMatchObject({ state: 'enabled' });
  });
});
