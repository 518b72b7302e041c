import { randomUUID } from 'node:crypto';
import {
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentRotateRequested,
  ApiKeyChangeRequested,
  ApiKeyCreateRequested,
  ApiKeyDeleteRequested,
  ApiKeyListRequested,
  ApiKeyPublished,
  ApiKeyRemoved,
  ApiKeyRequested,
  ApiKeyRotateRequested,
  ApiKeyStateChangeRequested,
  ApiKeyUseReported,
  ERASING_SERVICES,
  message,
  TenantChangeRequested,
  TenantDeleteRequested,
  TenantErased,
  TenantStateChangeRequested,
  type AgentPublished,
  type DirectoryState,
  type MessageClass,
} from '@countersign/contracts';
import { sha256 } from '@countersign/crypto';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { FakeDirectoryCaches, FakeDirectoryStore } from '../../test/directory.fake.js';
import { ManageAgents } from '../agents/manage-agents.use-case.js';
import { ChangeDirectory } from '../change-directory.use-case.js';
import { PublishedEntries } from '../policies/published-entries.js';
import { ManageTenants } from '../tenants/manage-tenants.use-case.js';
import { ManageApiKeys } from './manage-api-keys.use-case.js';

const origin = () => ({ commandId: randomUUID(), actor: TEST_ACTOR, tenant: 'acme' });
const HASH = 'a'.repeat(64);

async function open() {
  const clock = new ManualClock();
  const store = new FakeDirectoryStore(clock);
  const entries = new PublishedEntries({ policy: {}, mayLoosen: [] }, () => undefined);
  const directory = new ChangeDirectory(store, entries, new FakeDirectoryCaches());
  const tenants = new ManageTenants(directory, entries, store);
  const agents = new ManageAgents(directory, entries, store);
  const keys = new ManageApiKeys(directory, entries, store);
  await tenants.change(message(TenantChangeRequested, { ...origin(), mode: 'set', name: 'Acme' }));
  const secrets = { passwordHash: HASH, apiKeyHash: HASH };
  await agents.create(message(AgentCreateRequested, { ...origin(), agent: 'desk', ...secrets }));
  const create = (keyId: string, more: Partial<ApiKeyCreateRequested> = {}) =>
    keys.create(
      message(ApiKeyCreateRequested, { ...origin(), keyId, name: keyId, scopes: ['manage'], hash: HASH, ...more }),
    );
  const setState = (keyId: string, state: DirectoryState, reason?: string) =>
    keys.changeState(
      message(ApiKeyStateChangeRequested, { ...origin(), keyId, state, ...(reason !== undefined && { reason }) }),
    );
  const setTenantState = (state: DirectoryState) =>
    tenants.changeState(message(TenantStateChangeRequested, { ...origin(), state }));
  const rotate = (keyId: string, digit: string, graceSeconds: number) =>
    keys.rotate(message(ApiKeyRotateRequested, { ...origin(), keyId, hash: digit.repeat(64), graceSeconds }));
  /** The keys that the caches have at the end, by id. */
  const live = (): Map<string, ApiKeyPublished> => {
    const found = new Map<string, ApiKeyPublished>();
    for (const entry of store.published) {
      if (entry instanceof ApiKeyPublished) found.set(entry.keyId, entry);
      if (entry instanceof ApiKeyRemoved) found.delete(entry.keyId);
    }
    return found;
  };
  const facts = () => store.facts.filter(({ kind }) => kind.startsWith('api_key.'));
  return { clock, store, directory, tenants, agents, keys, create, setState, setTenantState, rotate, live, facts };
}

describe('an API key', () => {
  it('is created, published and shown without its hash', async () => {
    const { create, live, facts, clock } = await open();
    const expiresAt = new Date(clock.now() + 1000).toISOString();
    const answered = await create('key-1', { name: 'Import', scopes: ['verify', 'audit'], agent: 'desk', expiresAt });
    const shown = {
      id: 'key-1',
      tenant: 'acme',
      name: 'Import',
      scopes: ['verify', 'audit'],
      agent: 'desk',
      expiresAt,
    };
    const createdAt = new Date(clock.now()).toISOString();
    expect(answered.answer).toBe('created');
    expect(answered.body).toEqual({ ...shown, state: 'enabled', createdAt, lastUsedAt: null });
    expect({ ...live().get('key-1') }).toEqual({
      ...{ tenant: 'acme', keyId: 'key-1', scopes: ['verify', 'audit'], agent: 'desk', expiresAt },
      hashes: [{ hash: HASH }],
    });
    expect(facts()).toEqual([
      {
        ...{ kind: 'api_key.created', tenant: 'acme', agent: 'desk', actor: TEST_ACTOR },
        detail: { key: 'key-1', name: 'Import', scopes: 'verify audit' },
      },
    ]);
  });

  it.each([
    [{ scopes: ['verify'] }, 'agent'],
    [{ scopes: ['manage'], agent: 'desk' }, 'agent'],
    [{ scopes: ['verify'], agent: 'unknown' }, 'agent'],
    [{ expiresAt: '1999-01-01T00:00:00.000Z' }, 'expiresAt'],
  ] as const)('is refused with %j, and the rule is named', async (fields, field) => {
    const { create, live } = await open();
    const answered = await create('key-1', {
      ...fields,
      scopes: [...('scopes' in fields ? fields.scopes : ['manage'])],
    } as never);
    expect(answered).toMatchObject({ answer: 'invalid', violations: [{ field }] });
    expect(live().size).toBe(0);
  });

  describe('that a key requests', () => {
    const later = (clock: ManualClock, seconds: number) => new Date(clock.now() + seconds * 1000).toISOString();
    const by = (id: string) => ({ actor: { ...TEST_ACTOR, kind: 'key', id } as const });

    it('never outlives a key that has an end, also not by a rotation', async () => {
      const { create, keys, clock, live } = await open();
      await create('endless');
      await create('ending', { expiresAt: later(clock, 60) });
      const refused = { answer: 'invalid', violations: [{ field: 'expiresAt' }] };
      expect(await create('new', by('ending'))).toMatchObject(refused);
      expect(await create('new', { ...by('ending'), expiresAt: later(clock, 61) })).toMatchObject(refused);
      expect((await create('new', { ...by('ending'), expiresAt: later(clock, 60) })).answer).toBe('created');
      const rotate = (keyId: string) =>
        keys.rotate(
          message(ApiKeyRotateRequested, { ...origin(), ...by('ending'), keyId, hash: HASH, graceSeconds: 0 }),
        );
      expect(await rotate('endless')).toMatchObject({ answer: 'invalid', violations: [{ field: 'keyId' }] });
      expect([(await rotate('new')).answer, (await rotate('ending')).answer]).toEqual(['updated', 'updated']);
      expect([...live().keys()]).toEqual(['endless', 'ending', 'new']);
    });

    it('gets the scope audit, or a new text with it, only from a key that has the scope', async () => {
      const { create, keys, live } = await open();
      await create('manager');
      await create('auditor', { scopes: ['manage', 'audit'] });
      const rotate = (keyId: string, requester: string) =>
        keys.rotate(
          message(ApiKeyRotateRequested, { ...origin(), ...by(requester), keyId, hash: HASH, graceSeconds: 0 }),
        );
      const missing = { answer: 'scope_missing' };
      expect(await create('new', { ...by('manager'), scopes: ['audit'] })).toMatchObject(missing);
      expect(await create('new', { ...by('deleted'), scopes: ['audit'] })).toMatchObject(missing);
      expect(await rotate('auditor', 'manager')).toMatchObject(missing);
      expect([...live().keys()]).toEqual(['manager', 'auditor']);
      expect((await create('new', { ...by('auditor'), scopes: ['audit'] })).answer).toBe('created');
      expect((await create('verifier', { ...by('manager'), scopes: ['verify'], agent: 'desk' })).answer).toBe(
        'created',
      );
      expect([(await rotate('new', 'auditor')).answer, (await rotate('manager', 'manager')).answer]).toEqual([
        ...['updated', 'updated'],
      ]);
    });

    it('may have no end when the requesting key has none, and is refused when that was deleted', async () => {
      const { create, keys, clock } = await open();
      await create('endless');
      expect((await create('new', by('endless'))).answer).toBe('created');
      await keys.delete(message(ApiKeyDeleteRequested, { ...origin(), keyId: 'endless' }));
      expect((await create('late', by('endless'))).answer).toBe('invalid');
      expect((await create('late', { ...by('endless'), expiresAt: later(clock, 60) })).answer).toBe('invalid');
    });
  });

  it('is refused for a tenant that does not exist, and under an id that is in use', async () => {
    const { create } = await open();
    expect((await create('key-1', { tenant: 'umbrella' })).answer).toBe('not_found');
    expect((await create('key-1')).answer).toBe('created');
    expect((await create('key-1')).answer).toBe('taken');
  });

  it('is refused when the tenant has 1,000 keys, until one is deleted', async () => {
    const { create, keys } = await open();
    for (let count = 0; count < 1000; count++) expect((await create(`key-${count}`)).answer).toBe('created');
    expect(await create('one-more')).toMatchObject({ answer: 'invalid', violations: [{ field: 'body' }] });
    await keys.delete(message(ApiKeyDeleteRequested, { ...origin(), keyId: 'key-7' }));
    expect((await create('one-more')).answer).toBe('created');
  });

  it('keeps its old text until the grace period ends, and a further rotation does not extend it', async () => {
    const { create, rotate, live, clock } = await open();
    await create('key-1');
    await rotate('key-1', 'b', 60);
    const validUntil = new Date(clock.now() + 60_000).toISOString();
    expect(live().get('key-1')?.hashes).toEqual([{ hash: 'b'.repeat(64) }, { hash: HASH, validUntil }]);
    clock.advance(30_000);
    await rotate('key-1', 'c', 600);
    expect(live().get('key-1')?.hashes).toMatchObject([{ hash: 'c'.repeat(64) }, {}, { hash: HASH, validUntil }]);
    await rotate('key-1', 'd', 0);
    expect(live().get('key-1')?.hashes).toEqual([{ hash: 'd'.repeat(64) }]);
  });

  it('is published as caches accept it, and so is an agent, after any number of rotations within the grace period', async () => {
    const { create, keys, agents, store } = await open();
    await create('key-1');
    for (let count = 0; count < 40; count++) {
      const hash = sha256(String(count));
      const graceSeconds = 604_800;
      await keys.rotate(message(ApiKeyRotateRequested, { ...origin(), keyId: 'key-1', hash, graceSeconds }));
      const hashes = { passwordHash: hash, apiKeyHash: hash };
      await agents.rotate(message(AgentRotateRequested, { ...origin(), agent: 'desk', ...hashes, graceSeconds }));
    }
    for (const entry of store.published) {
      const read = plainToInstance(entry.constructor as MessageClass, JSON.parse(JSON.stringify(entry)));
      expect(validateSync(read)).toEqual([]);
    }
    const last = Array.from({ length: 32 }, (_, place) => ({ hash: sha256(String(39 - place)) }));
    const [key, agent] = store.published.slice(-2) as [ApiKeyPublished, AgentPublished];
    for (const shown of [key.hashes, agent.passwords, agent.apiKeys]) {
      expect(shown).toHaveLength(32);
      expect(shown).toMatchObject(last);
    }
  });

  it('is removed from the caches while it is disabled, with the reason in the event', async () => {
    const { create, setState, rotate, live, facts } = await open();
    await create('key-1');
    expect((await setState('key-1', 'disabled', 'left the company')).body).toMatchObject({ state: 'disabled' });
    await rotate('key-1', 'b', 60);
    expect(live().size).toBe(0);
    expect((await setState('key-1', 'disabled')).answer).toBe('updated');
    await setState('key-1', 'enabled');
    expect(live().get('key-1')?.hashes).toHaveLength(2);
    expect(facts().map(({ kind, detail }) => [kind, detail['reason']])).toEqual([
      ['api_key.created', undefined],
      ['api_key.disabled', 'left the company'],
      ['api_key.rotated', undefined],
      ['api_key.enabled', undefined],
    ]);
  });

  it('is removed while its tenant is disabled, and a key that is disabled itself stays removed afterwards', async () => {
    const { create, setState, setTenantState, live } = await open();
    await Promise.all(['key-1', 'key-2'].map((id) => create(id)));
    await setState('key-2', 'disabled');
    await setTenantState('disabled');
    expect(live().size).toBe(0);
    await setTenantState('enabled');
    expect([...live().keys()]).toEqual(['key-1']);
  });

  it('is deleted with its agent, and with its tenant', async () => {
    const { create, agents, tenants, setTenantState, keys, live } = await open();
    await create('key-1', { scopes: ['verify', 'manage'], agent: 'desk' });
    await create('key-2');
    await agents.delete(message(AgentDeleteRequested, { ...origin(), agent: 'desk' }));
    expect([...live().keys()]).toEqual(['key-2']);
    const read = (keyId: string) => keys.read(message(ApiKeyRequested, { ...origin(), keyId }));
    expect([(await read('key-1')).answer, (await read('key-2')).answer]).toEqual(['not_found', 'found']);
    await setTenantState('disabled');
    const { body } = await tenants.delete(message(TenantDeleteRequested, origin()));
    for (const service of ERASING_SERVICES) {
      const { commandId, tenant } = origin();
      const createdAt = String(body?.['createdAt']);
      await tenants.erased(message(TenantErased, { commandId, tenant, createdAt, service }));
    }
    expect((await read('key-2')).answer).toBe('not_found');
  });

  it('changes its name; a change without a difference has no event', async () => {
    const { create, keys, facts } = await open();
    await create('key-1');
    const rename = (name?: string) =>
      keys.change(message(ApiKeyChangeRequested, { ...origin(), keyId: 'key-1', ...(name !== undefined && { name }) }));
    for (const name of ['New', 'New', undefined]) expect((await rename(name)).body).toMatchObject({ name: 'New' });
    expect(facts().map(({ kind }) => kind)).toEqual(['api_key.created', 'api_key.changed']);
  });

  it('shows when it was used last', async () => {
    const { create, keys, clock } = await open();
    await create('key-1');
    const usedAt = new Date(clock.now()).toISOString();
    await keys.reportUse(message(ApiKeyUseReported, { tenant: 'acme', keyId: 'key-1', usedAt }));
    const list = message(ApiKeyListRequested, { ...origin(), limit: 10 });
    expect((await keys.list(list)).body).toMatchObject({
      items: [{ id: 'key-1', lastUsedAt: usedAt }],
      nextCursor: null,
    });
  });

  it('does not exist for another tenant', async () => {
    const { create, keys, tenants } = await open();
    await create('key-1');
    const other = { ...origin(), tenant: 'umbrella' };
    await tenants.change(message(TenantChangeRequested, { ...other, mode: 'set', name: 'Umbrella' }));
    const target = () => ({ ...other, commandId: randomUUID(), keyId: 'key-1' });
    const answers = [
      await keys.read(message(ApiKeyRequested, target())),
      await keys.change(message(ApiKeyChangeRequested, { ...target(), name: 'Mine' })),
      await keys.changeState(message(ApiKeyStateChangeRequested, { ...target(), state: 'disabled' })),
      await keys.rotate(message(ApiKeyRotateRequested, { ...target(), hash: HASH, graceSeconds: 0 })),
      await keys.delete(message(ApiKeyDeleteRequested, target())),
    ];
    expect(answers.map(({ answer }) => answer)).toEqual(Array(5).fill('not_found'));
  });

  it('is published again at the start of the directory, also when the policy of its tenant has become invalid', async () => {
    const { create, store, live } = await open();
    await create('key-1');
    const published = store.published.splice(0);
    const installation = { policy: { escalation: 'nobody' }, mayLoosen: [] };
    const entries = new PublishedEntries(installation, () => undefined);
    await new ChangeDirectory(store, entries, new FakeDirectoryCaches()).publishAll();
    expect(published.length).toBeGreaterThan(0);
    expect([...live().keys()]).toEqual(['key-1']);
  });
});
