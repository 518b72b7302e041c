import { randomUUID } from 'node:crypto';
import {
  DEFAULT_POLICY,
  AgentChangeRequested,
  AgentCreateRequested,
  AgentPublished,
  AgentRotateRequested,
  message,
  TenantChangeRequested,
  TenantPublished,
} from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { FakeDirectoryCaches, FakeDirectoryStore } from '../test/directory.fake.js';
import { ManageAgents } from './agents/manage-agents.use-case.js';
import { ChangeDirectory } from './change-directory.use-case.js';
import { BasePolicies, PublishedEntries } from './policies/published-entries.js';
import { ManageTenants } from './tenants/manage-tenants.use-case.js';

function open() {
  const clock = new ManualClock();
  const store = new FakeDirectoryStore(clock);
  const entries = new PublishedEntries(new BasePolicies([DEFAULT_POLICY, {}]));
  const directory = new ChangeDirectory(store, entries, new FakeDirectoryCaches());
  const tenants = new ManageTenants(directory, entries);
  const agents = new ManageAgents(directory, entries);
  const tenant = (id: string, policy?: Record<string, unknown>) =>
    tenants.change(
      message(TenantChangeRequested, {
        ...{ commandId: randomUUID(), tenant: id, mode: 'set', name: id },
        ...(policy ? { policy } : {}),
      }),
    );
  const agent = (of: string, id: string, policy?: Record<string, unknown>) =>
    agents.create(
      message(AgentCreateRequested, {
        commandId: randomUUID(),
        tenant: of,
        agent: id,
        passwordHash: '1'.repeat(64),
        apiKeyHash: '2'.repeat(64),
        ...(policy ? { policy } : {}),
      }),
    );
  const latest = (id: string): AgentPublished | undefined =>
    store.published
      .filter((entry): entry is AgentPublished => entry instanceof AgentPublished && entry.agent === id)
      .at(-1);
  const change = (of: string, id: string, fields: Pick<AgentChangeRequested, 'mode' | 'name' | 'policy'>) =>
    agents.change(message(AgentChangeRequested, { commandId: randomUUID(), tenant: of, agent: id, ...fields }));
  const patchTenant = (id: string, fields: Pick<TenantChangeRequested, 'name' | 'policy'>) =>
    tenants.change(message(TenantChangeRequested, { commandId: randomUUID(), tenant: id, mode: 'merge', ...fields }));
  const details = () => store.facts.map(({ kind, detail }) => [kind, detail['fields']]);
  return { clock, store, tenants, agents, tenant, agent, latest, change, patchTenant, details };
}

describe('the directory', () => {
  it('publishes a tenant and its agents with their effective policy', async () => {
    const { tenant, agent, latest, store } = open();
    expect((await tenant('acme', { attempts: { perWindow: 5 } })).answer).toBe('created');
    expect((await agent('acme', 'desk', { attempts: { lockSeconds: 60 } })).answer).toBe('created');
    expect(latest('desk')?.policy.attempts).toEqual({
      perWindow: 5,
      windowSeconds: 900,
      lockSeconds: 60,
      maxLockSeconds: 86_400,
    });
    expect((await tenant('acme', { attempts: { perWindow: 2 } })).answer).toBe('updated');
    expect(latest('desk')?.policy.attempts.perWindow).toBe(2);
    expect(store.published.some((entry) => entry instanceof TenantPublished)).toBe(true);
    expect(store.facts.map(({ kind }) => kind)).toEqual(['tenant.changed', 'agent.created', 'tenant.changed']);
  });

  it('records the owner and expiry of a knowledge waiver with every change while the waiver is in effect', async () => {
    const { tenant, agent, store } = open();
    const waiver = { owner: 'Ada Lovelace', reason: 'pilot', expires: '2027-01-31' };
    const waived = { knowledgeWaiverOwner: 'Ada Lovelace', knowledgeWaiverExpires: '2027-01-31' };
    await tenant('acme');
    await agent('acme', 'desk', { knowledge: { waiver } });
    await tenant('acme', { knowledge: { waiver } });
    await agent('acme', 'help', { knowledge: { waiver: null } });
    expect(store.facts.map((fact) => fact.detail)).toEqual([
      { fields: 'name' },
      { fields: 'name policy.knowledge', ...waived },
      { fields: 'policy.knowledge', ...waived },
      { fields: 'name policy.knowledge' },
    ]);
  });

  it("keeps a tenant's policy when only the name changes", async () => {
    const { tenant, agent, latest } = open();
    await tenant('acme', { attempts: { perWindow: 5 } });
    await agent('acme', 'desk');
    await tenant('acme');
    expect(latest('desk')?.policy.attempts.perWindow).toBe(5);
  });

  it('refuses a policy that is invalid after merging, names the field, and publishes nothing', async () => {
    const { tenant, agent, store } = open();
    await tenant('acme');
    const before = store.published.length;
    expect(await agent('acme', 'desk', { escalation: 'nowhere' })).toMatchObject({
      answer: 'invalid',
      violations: [{ field: 'policy.escalation' }],
    });
    expect(store.published).toHaveLength(before);
  });

  it("refuses a tenant's policy that would make the policy of one of its agents invalid", async () => {
    const { tenant, agent } = open();
    await tenant('acme', { transfers: { support: 'sip:support@example.com' } });
    await agent('acme', 'desk', { escalation: 'support' });
    expect((await tenant('acme', { transfers: {} })).answer).toBe('invalid');
  });

  it('refuses to create an agent with an id that any tenant uses already', async () => {
    const { tenant, agent } = open();
    await tenant('acme');
    await tenant('other');
    await agent('acme', 'desk');
    expect((await agent('acme', 'desk')).answer).toBe('taken');
    expect((await agent('other', 'desk')).answer).toBe('taken');
    expect((await agent('missing', 'desk2')).answer).toBe('not_found');
  });

  it('keeps rotated secrets valid for their grace period, which a later rotation does not extend', async () => {
    const { clock, agents, tenant, agent, latest } = open();
    await tenant('acme');
    await agent('acme', 'desk');
    const rotate = (digit: string, graceSeconds: number) =>
      agents.rotate(
        message(AgentRotateRequested, {
          commandId: randomUUID(),
          tenant: 'acme',
          agent: 'desk',
          passwordHash: digit.repeat(64),
          apiKeyHash: digit.repeat(64),
          graceSeconds,
        }),
      );
    await rotate('3', 60);
    expect(latest('desk')?.passwords).toEqual([
      { hash: '3'.repeat(64) },
      { hash: '1'.repeat(64), validUntil: '2026-01-01T00:01:00.000Z' },
    ]);
    clock.advance(30_000);
    await rotate('4', 3600);
    expect(latest('desk')?.passwords[2]?.validUntil).toBe('2026-01-01T00:01:00.000Z');
    clock.advance(31_000);
    await rotate('5', 0);
    expect(latest('desk')?.passwords).toEqual([{ hash: '5'.repeat(64) }]);
  });

  it('gives a redelivered command no further effect', async () => {
    const { tenants, store } = open();
    const command = message(TenantChangeRequested, {
      commandId: randomUUID(),
      tenant: 'acme',
      mode: 'set',
      name: 'Acme',
    });
    await tenants.change(command);
    await tenants.change(command);
    expect(store.facts).toHaveLength(1);
  });

  it('changes the policy of an agent only for the tenant that owns it', async () => {
    const { tenant, agent, latest, change } = open();
    await tenant('acme');
    await tenant('other');
    await agent('acme', 'desk');
    const fields = { mode: 'set', policy: { greetByName: false } } as const;
    expect((await change('other', 'desk', fields)).answer).toBe('not_found');
    expect((await change('acme', 'desk', fields)).answer).toBe('updated');
    expect(latest('desk')?.policy.greetByName).toBe(false);
  });

  it('replaces the fields of a policy that are sent and keeps the others, for a tenant and for an agent', async () => {
    const { tenant, agent, latest, change } = open();
    await tenant('acme', { attempts: { perWindow: 5 }, transfers: { support: 'sip:support@example.com' } });
    await tenant('acme', { greetByName: false });
    await tenant('acme', { transfers: { sales: 'sip:sales@example.com' } });
    await agent('acme', 'desk', { verifiedSeconds: 60 });
    await change('acme', 'desk', { mode: 'set', policy: { tellAttemptsLeft: true } });
    expect(latest('desk')?.policy).toMatchObject({
      ...{ greetByName: false, tellAttemptsLeft: true, verifiedSeconds: 60 },
      attempts: { perWindow: 5, windowSeconds: 900 },
    });
    expect(latest('desk')?.policy.transfers).toEqual({ sales: 'sip:sales@example.com' });
  });

  it('merges a patch at every depth, and null removes a field', async () => {
    const { tenant, agent, latest, change, patchTenant } = open();
    await tenant('acme', { attempts: { perWindow: 5, lockSeconds: 60 }, greetByName: false });
    await agent('acme', 'desk', { tellAttemptsLeft: true });
    expect((await patchTenant('acme', { policy: { attempts: { lockSeconds: null }, greetByName: null } })).answer).toBe(
      'updated',
    );
    expect(latest('desk')?.policy).toMatchObject({ greetByName: true, attempts: { perWindow: 5, lockSeconds: 900 } });
    await change('acme', 'desk', { mode: 'merge', name: 'Help desk', policy: null });
    expect(latest('desk')).toMatchObject({ name: 'Help desk', policy: { tellAttemptsLeft: false } });
    await patchTenant('acme', { name: 'Acme' });
    expect(latest('desk')?.policy.attempts.perWindow).toBe(5);
    expect((await patchTenant('missing', { name: 'Missing' })).answer).toBe('not_found');
    expect((await change('acme', 'missing', { mode: 'merge', name: 'Missing' })).answer).toBe('not_found');
    expect((await patchTenant('acme', { policy: { attempts: { perWindow: 0 } } })).answer).toBe('invalid');
  });

  it('records the names of the changed fields, and no fact when nothing changed', async () => {
    const { tenant, agent, change, patchTenant, details, store } = open();
    await tenant('acme', { attempts: { perWindow: 5, lockSeconds: 60 } });
    await tenant('acme', { attempts: { lockSeconds: 60, perWindow: 5 }, greetByName: false });
    const published = store.published.length;
    await tenant('acme', { greetByName: false });
    await tenant('acme');
    await patchTenant('acme', { name: 'acme', policy: { texts: null } });
    expect(store.published).toHaveLength(published);
    await agent('acme', 'desk', { verifiedSeconds: 60 });
    await change('acme', 'desk', { mode: 'set', policy: { verifiedSeconds: 60 } });
    await change('acme', 'desk', { mode: 'merge', name: 'Desk', policy: { verifiedSeconds: null, greetByName: true } });
    expect(details()).toEqual([
      ['tenant.changed', 'name policy.attempts'],
      ['tenant.changed', 'policy.greetByName'],
      ['agent.created', 'name policy.verifiedSeconds'],
      ['policy.changed', 'name policy.greetByName policy.verifiedSeconds'],
    ]);
  });
});
