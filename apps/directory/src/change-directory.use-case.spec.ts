import { randomUUID } from 'node:crypto';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentListRequested,
  AgentPublished,
  AgentRemoved,
  AgentRequested,
  AgentRotateRequested,
  AgentStateChangeRequested,
  CommandAnswered,
  message,
  TenantChangeRequested,
  TenantListRequested,
  TenantPublished,
  TenantRequested,
  TenantStateChangeRequested,
  type DirectoryState,
} from '@countersign/contracts';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { FakeDirectoryCaches, FakeDirectoryStore } from '../test/directory.fake.js';
import { ManageAgents } from './agents/manage-agents.use-case.js';
import { ChangeDirectory } from './change-directory.use-case.js';
import { type AgentRecord } from './directory.ports.js';
import { PublishedEntries, type InvalidPolicy } from './policies/published-entries.js';
import { ManageTenants } from './tenants/manage-tenants.use-case.js';

/** The fields that every command has. */
const origin = (commandId: string = randomUUID()) => ({ commandId, actor: TEST_ACTOR });

/** Some 10 KB, each text with the longest allowed length. */
const LONG_TEXTS = ['verified', 'rejected', 'locked', 'bad_pin', 'rate_limited', 'keypad_prompt', 'keypad_done'].map(
  (name) => [name, 'x'.repeat(1000)] as const,
);

function open() {
  const clock = new ManualClock();
  const store = new FakeDirectoryStore(clock);
  const installation: { transfers: Record<string, string> } = { transfers: {} };
  const invalid: InvalidPolicy[] = [];
  const entries = new PublishedEntries({ policy: installation, mayLoosen: [] }, (policy) => invalid.push(policy));
  const caches = new FakeDirectoryCaches();
  const { awaitedChanges } = caches;
  const directory = new ChangeDirectory(store, entries, caches);
  const tenants = new ManageTenants(directory, entries, store);
  const agents = new ManageAgents(directory, entries, store);
  const tenant = (id: string, policy?: Record<string, unknown>) =>
    tenants.change(
      message(TenantChangeRequested, {
        ...{ ...origin(), tenant: id, mode: 'set', name: id },
        ...(policy ? { policy } : {}),
      }),
    );
  const agent = (of: string, id: string, policy?: Record<string, unknown>, commandId: string = randomUUID()) =>
    agents.create(
      message(AgentCreateRequested, {
        ...origin(commandId),
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
    agents.change(message(AgentChangeRequested, { ...origin(), tenant: of, agent: id, ...fields }));
  const patchTenant = (id: string, fields: Pick<TenantChangeRequested, 'name' | 'policy'>) =>
    tenants.change(message(TenantChangeRequested, { ...origin(), tenant: id, mode: 'merge', ...fields }));
  const setTenantState = (id: string, state: DirectoryState) =>
    tenants.changeState(message(TenantStateChangeRequested, { ...origin(), tenant: id, state }));
  const setAgentState = (of: string, id: string, state: DirectoryState) =>
    agents.changeState(message(AgentStateChangeRequested, { ...origin(), tenant: of, agent: id, state }));
  const deleteAgent = (of: string, id: string) =>
    agents.delete(message(AgentDeleteRequested, { ...origin(), tenant: of, agent: id }));
  const readTenant = (id: string) => tenants.read(message(TenantRequested, { ...origin(), tenant: id }));
  const readAgent = (of: string, id: string) =>
    agents.read(message(AgentRequested, { ...origin(), tenant: of, agent: id }));
  /** The ids of the agents that the caches have at the end. */
  const liveAgents = (): string[] => {
    const live = new Set<string>();
    for (const entry of store.published) {
      if (entry instanceof AgentPublished) live.add(entry.agent);
      if (entry instanceof AgentRemoved) live.delete(entry.agent);
    }
    return [...live].sort();
  };
  const details = () => store.facts.map(({ kind, detail }) => [kind, detail['fields']]);
  const rotate = (of: string, id: string, digit = '3', graceSeconds = 0) => {
    const hashes = { passwordHash: digit.repeat(64), apiKeyHash: digit.repeat(64) };
    const ids = { ...origin(), tenant: of, agent: id };
    return agents.rotate(message(AgentRotateRequested, { ...ids, ...hashes, graceSeconds }));
  };
  const invalidPolicies = { awaitedChanges, installation, invalid, rotate };
  const states = {
    ...invalidPolicies,
    setTenantState,
    setAgentState,
    deleteAgent,
    readTenant,
    readAgent,
    liveAgents,
  };
  return { clock, store, directory, tenants, agents, tenant, agent, latest, change, patchTenant, details, ...states };
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
    expect(store.facts.map(({ actor }) => actor)).toEqual([TEST_ACTOR, TEST_ACTOR, TEST_ACTOR]);
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

  it('refuses to create more than 1,000 agents of a tenant, until one is deleted', async () => {
    const { store, tenant, agent, agents } = open();
    await tenant('acme');
    await agent('acme', 'agent-0');
    await store.change('more', 'acme', ({ agents: [first] }) => ({
      agents: Array.from({ length: 999 }, (_, at) => ({ ...(first as AgentRecord), agent: `agent-${at + 1}` })),
      publish: [],
    }));
    expect(await agent('acme', 'one-more')).toMatchObject({ answer: 'invalid', violations: [{ field: 'body' }] });
    await agents.delete(message(AgentDeleteRequested, { ...origin(), tenant: 'acme', agent: 'agent-7' }));
    expect((await agent('acme', 'one-more')).answer).toBe('created');
  });

  it('keeps rotated secrets valid for their grace period, which a later rotation does not extend', async () => {
    const { clock, rotate, tenant, agent, latest } = open();
    await tenant('acme');
    await agent('acme', 'desk');
    await rotate('acme', 'desk', '3', 60);
    expect(latest('desk')?.passwords).toEqual([
      { hash: '3'.repeat(64) },
      { hash: '1'.repeat(64), validUntil: '2026-01-01T00:01:00.000Z' },
    ]);
    clock.advance(30_000);
    await rotate('acme', 'desk', '4', 3600);
    expect(latest('desk')?.passwords[2]?.validUntil).toBe('2026-01-01T00:01:00.000Z');
    clock.advance(31_000);
    await rotate('acme', 'desk', '5', 0);
    expect(latest('desk')?.passwords).toEqual([{ hash: '5'.repeat(64) }]);
  });

  it('gives a redelivered command no further effect', async () => {
    const { tenants, store } = open();
    const command = message(TenantChangeRequested, {
      ...origin(),
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

  it('returns the changed resource, without secrets', async () => {
    const { tenant, agent, change, clock } = open();
    const createdAt = new Date(clock.now()).toISOString();
    const policy = { attempts: { perWindow: 5 } };
    expect((await tenant('acme', policy)).body).toEqual({
      ...{ tenant: 'acme', name: 'acme', policy, state: 'enabled', createdAt },
    });
    const resource = { agent: 'desk', tenant: 'acme', name: 'desk', policy: {}, state: 'enabled', createdAt };
    expect((await agent('acme', 'desk')).body).toEqual(resource);
    clock.advance(1000);
    expect((await change('acme', 'desk', { mode: 'merge', name: 'Desk' })).body).toEqual({ ...resource, name: 'Desk' });
    expect((await change('acme', 'desk', { mode: 'merge', name: 'Desk' })).body).toEqual({ ...resource, name: 'Desk' });
  });

  it('removes a disabled agent from all caches, and publishes it again when it is enabled', async () => {
    const { tenant, agent, setAgentState, change, readAgent, liveAgents, details, latest } = open();
    await tenant('acme');
    await agent('acme', 'desk');
    await agent('acme', 'help');
    expect(await setAgentState('acme', 'desk', 'disabled')).toMatchObject({
      answer: 'updated',
      body: { agent: 'desk', state: 'disabled' },
    });
    expect(liveAgents()).toEqual(['help']);
    expect((await readAgent('acme', 'desk')).body).toMatchObject({ state: 'disabled' });
    await setAgentState('acme', 'desk', 'disabled');
    await change('acme', 'desk', { mode: 'set', policy: { greetByName: false } });
    await tenant('acme', { verifiedSeconds: 60 });
    expect(liveAgents()).toEqual(['help']);
    expect((await setAgentState('acme', 'desk', 'enabled')).body).toMatchObject({ state: 'enabled' });
    expect(liveAgents()).toEqual(['desk', 'help']);
    expect(latest('desk')?.policy).toMatchObject({ greetByName: false, verifiedSeconds: 60 });
    expect(details().map(([kind]) => kind)).toEqual([
      ...['tenant.changed', 'agent.created', 'agent.created', 'agent.disabled', 'policy.changed', 'tenant.changed'],
      'agent.enabled',
    ]);
    expect((await setAgentState('other', 'desk', 'disabled')).answer).toBe('not_found');
  });

  it('removes all agents of a disabled tenant from all caches, and publishes those that are enabled again', async () => {
    const { tenant, agent, directory, setTenantState, setAgentState, liveAgents } = open();
    await tenant('acme');
    await tenant('other');
    for (const id of ['desk', 'help']) await agent('acme', id);
    await agent('other', 'other-desk');
    await setAgentState('acme', 'help', 'disabled');
    expect((await setTenantState('acme', 'disabled')).body).toMatchObject({ state: 'disabled' });
    expect(liveAgents()).toEqual(['other-desk']);
    await agent('acme', 'late');
    await directory.publishAll();
    expect(liveAgents()).toEqual(['other-desk']);
    await setTenantState('acme', 'enabled');
    expect(liveAgents()).toEqual(['desk', 'late', 'other-desk']);
    expect((await setTenantState('missing', 'disabled')).answer).toBe('not_found');
  });

  describe('with an agent whose escalation the installation no longer has', () => {
    const VIOLATIONS = [{ field: 'policy.escalation', rule: 'must name one of the transfers' }];

    async function openInvalid() {
      const bed = open();
      bed.installation.transfers = { support: 'sip:support@example.com' };
      await bed.tenant('acme');
      await bed.agent('acme', 'desk', { escalation: 'support' });
      await bed.agent('acme', 'help');
      bed.installation.transfers = {};
      return bed;
    }

    it('removes the agent from all caches at the next start, and reports the agent and the rule', async () => {
      const { directory, liveAgents, invalid } = await openInvalid();
      await directory.publishAll();
      expect(liveAgents()).toEqual(['help']);
      expect(invalid).toEqual([{ tenant: 'acme', agent: 'desk', violations: VIOLATIONS }]);
    });

    it('disables the agent and removes it from all caches', async () => {
      const { setAgentState, readAgent, liveAgents } = await openInvalid();
      expect((await setAgentState('acme', 'desk', 'disabled')).answer).toBe('updated');
      expect((await readAgent('acme', 'desk')).body).toMatchObject({ state: 'disabled' });
      expect(liveAgents()).toEqual(['help']);
      expect(await setAgentState('acme', 'desk', 'enabled')).toMatchObject({
        answer: 'invalid',
        violations: VIOLATIONS,
      });
    });

    it('disables the tenant, and enables it with its other agents', async () => {
      const { setTenantState, liveAgents, invalid } = await openInvalid();
      expect((await setTenantState('acme', 'disabled')).answer).toBe('updated');
      expect(liveAgents()).toEqual([]);
      expect((await setTenantState('acme', 'enabled')).answer).toBe('updated');
      expect(liveAgents()).toEqual(['help']);
      expect(invalid).toEqual([{ tenant: 'acme', agent: 'desk', violations: VIOLATIONS }]);
    });

    it('refuses to rotate its secrets with the cause until it is disabled, and then rotates them', async () => {
      const { rotate, setAgentState, liveAgents } = await openInvalid();
      expect(await rotate('acme', 'desk')).toMatchObject({ answer: 'invalid', violations: VIOLATIONS });
      await setAgentState('acme', 'desk', 'disabled');
      expect((await rotate('acme', 'desk')).answer).toBe('updated');
      expect(liveAgents()).toEqual(['help']);
    });

    it('changes its tenant only after the agent is disabled, and checks each change of the disabled agent', async () => {
      const { tenant, change, setAgentState } = await openInvalid();
      expect(await tenant('acme', { greetByName: false })).toMatchObject({ answer: 'invalid', violations: VIOLATIONS });
      await setAgentState('acme', 'desk', 'disabled');
      expect((await tenant('acme', { greetByName: false })).answer).toBe('updated');
      expect(await change('acme', 'desk', { mode: 'merge', name: 'Desk' })).toMatchObject({
        ...{ answer: 'invalid', violations: VIOLATIONS },
      });
      expect((await change('acme', 'desk', { mode: 'merge', policy: { escalation: null } })).answer).toBe('updated');
    });
  });

  it('removes every agent of a tenant whose own policy has become invalid, and publishes none of them', async () => {
    const { tenant, agent, directory, installation, liveAgents, invalid, rotate, setTenantState } = open();
    const transfers = { support: 'sip:support@example.com' };
    installation.transfers = transfers;
    await tenant('acme', { escalation: 'support' });
    await agent('acme', 'desk', { transfers });
    installation.transfers = {};
    await directory.publishAll();
    expect(liveAgents()).toEqual([]);
    const violations = [{ field: 'policy.escalation', rule: 'must name one of the transfers' }];
    expect(invalid).toEqual([{ tenant: 'acme', violations }]);
    expect(await rotate('acme', 'desk')).toMatchObject({ answer: 'invalid', violations });
    expect((await setTenantState('acme', 'disabled')).answer).toBe('updated');
    expect(await setTenantState('acme', 'enabled')).toMatchObject({ answer: 'invalid', violations });
    expect(liveAgents()).toEqual([]);
  });

  it('answers a redelivered command with the resource', async () => {
    const { tenants, agents, agent } = open();
    const ids = { ...origin(), tenant: 'acme' };
    const command = message(TenantChangeRequested, { ...ids, mode: 'set', name: 'Acme' });
    const { body } = await tenants.change(command);
    expect(await tenants.change(command)).toMatchObject({ answer: 'updated', body });
    const commandId = randomUUID();
    const created = await agent('acme', 'desk', {}, commandId);
    expect(created.body).toMatchObject({ agent: 'desk' });
    expect(await agent('acme', 'desk', {}, commandId)).toMatchObject({ answer: 'updated', body: created.body });
    const removal = message(AgentDeleteRequested, { ...origin(), tenant: 'acme', agent: 'desk' });
    await agents.delete(removal);
    expect(await agents.delete(removal)).toEqual(
      message(CommandAnswered, { commandId: removal.commandId, answer: 'updated' }),
    );
  });

  it('does not wait for the caches when a change publishes nothing', async () => {
    const { tenant, setTenantState, awaitedChanges } = open();
    await tenant('acme');
    const before = awaitedChanges.length;
    await setTenantState('acme', 'disabled');
    expect(awaitedChanges).toHaveLength(before);
  });

  it('refuses merge patches that together make a policy too long', async () => {
    const { tenant, agent, change, setAgentState } = open();
    await tenant('acme');
    await agent('acme', 'desk');
    const text = (name: string) => ({ texts: { [name]: Object.fromEntries(LONG_TEXTS) } });
    const patch = (language: string) => change('acme', 'desk', { mode: 'merge', policy: text(language) });
    const answers: string[] = [];
    for (let index = 0; index < 40; index++) answers.push((await patch(`en-x${index}`)).answer);
    const firstRefused = answers.indexOf('invalid');
    expect(firstRefused).toBeGreaterThan(0);
    expect(new Set(answers.slice(firstRefused))).toEqual(new Set(['invalid']));
    await setAgentState('acme', 'desk', 'disabled');
    expect(await patch('en-last')).toMatchObject({ answer: 'invalid', violations: [{ field: 'policy' }] });
  });

  it('deletes an agent, and lets its id be used again', async () => {
    const { tenant, agent, deleteAgent, readAgent, liveAgents } = open();
    await tenant('acme');
    await tenant('other');
    await agent('acme', 'desk');
    expect((await deleteAgent('other', 'desk')).answer).toBe('not_found');
    expect((await deleteAgent('acme', 'desk')).answer).toBe('updated');
    expect((await readAgent('acme', 'desk')).answer).toBe('not_found');
    expect(liveAgents()).toEqual([]);
    expect((await deleteAgent('acme', 'desk')).answer).toBe('not_found');
    expect((await agent('other', 'desk')).answer).toBe('created');
  });

  it('lists tenants and agents page by page, with the cursor of the next page, and by state', async () => {
    const { tenant, agent, tenants, agents, setAgentState } = open();
    for (const id of ['c', 'a', 'b']) await tenant(id);
    for (const id of ['z', 'x', 'y']) await agent('a', id);
    await setAgentState('a', 'y', 'disabled');
    const list = { ...origin(), limit: 2 };
    const first = await tenants.list(message(TenantListRequested, list));
    expect(first).toMatchObject({
      answer: 'found',
      body: { items: [{ tenant: 'a' }, { tenant: 'b' }], nextCursor: 'b' },
    });
    const second = await tenants.list(message(TenantListRequested, { ...list, cursor: 'b' }));
    expect(second.body).toMatchObject({ items: [{ tenant: 'c' }], nextCursor: null });
    const whole = await agents.list(message(AgentListRequested, { ...list, limit: 3, tenant: 'a' }));
    expect(whole.body).toMatchObject({ items: [{ agent: 'x' }, { agent: 'y' }, { agent: 'z' }], nextCursor: null });
    const enabled = await agents.list(message(AgentListRequested, { ...list, tenant: 'a', state: 'enabled' }));
    expect(enabled.body).toMatchObject({ items: [{ agent: 'x' }, { agent: 'z' }], nextCursor: null });
    expect((await agents.list(message(AgentListRequested, { ...list, tenant: 'missing' }))).answer).toBe('not_found');
    expect((await agents.list(message(AgentListRequested, { ...list, tenant: 'b' }))).body).toMatchObject({
      items: [],
    });
  });
});
