import { randomUUID } from 'node:crypto';
import { message, TenantPublished, type FactKind } from '@countersign/contracts';
import {
  type AgentRecord,
  type ApiKeyRecord,
  type DirectoryChange,
  type DirectoryStore,
  type TenantRecord,
  type TenantSnapshot,
} from '../src/directory.ports.js';

/** A store, and what it has written for the bus so far. */
export interface DirectoryStoreBed {
  readonly store: DirectoryStore;
  /** Keys of the published entries, in the order of their publication. */
  published(): Promise<string[]>;
  /** The recorded facts, in order. */
  facts(): Promise<{ kind: FactKind; tenant: string; agent?: string }[]>;
}

const tenantOf = (tenant: string, more: Partial<TenantRecord> = {}): TenantRecord => ({
  ...{ tenant, name: 'Acme', policy: { attempts: { perWindow: 5 }, texts: { 'en-US': { verified: "it's “you”" } } } },
  ...{ createdAt: new Date('2026-01-01T00:00:00.123Z'), disabledAt: null, deletion: null },
  ...more,
});

const agentOf = (tenant: string, agent: string, more: Partial<AgentRecord> = {}): AgentRecord => ({
  ...{ tenant, agent, name: 'Desk', policy: { trustsCallsOf: ['a', 'b'], language: 'en-US' } },
  passwords: [{ hash: '1'.repeat(64) }, { hash: '2'.repeat(64), validUntil: '2026-01-01T00:00:00.000Z' }],
  apiKeys: [{ hash: '3'.repeat(64) }],
  createdAt: new Date('2026-02-01T00:00:00.456Z'),
  disabledAt: null,
  ...more,
});

const keyOf = (tenant: string, keyId: string, more: Partial<ApiKeyRecord> = {}): ApiKeyRecord => ({
  ...{ tenant, keyId, name: "it's “one” key", scopes: ['manage', 'audit'], agent: null, disabledAt: null },
  hashes: [{ hash: '4'.repeat(64) }, { hash: '5'.repeat(64), validUntil: '2026-01-01T00:00:00.000Z' }],
  ...{ createdAt: new Date('2026-03-01T00:00:00.123Z'), expiresAt: new Date('2027-03-01T00:00:00Z'), lastUsedAt: null },
  ...more,
});

const entryOf = (tenant: string): TenantPublished =>
  message(TenantPublished, { tenant, name: 'Acme', policy: {} as TenantPublished['policy'] });

/** Ids that no other test has used. */
const newId = (): string => `t-${randomUUID()}`;

const writes = (
  change: Partial<Omit<DirectoryChange, 'fact'>>,
  kind: FactKind = 'tenant.changed',
): (() => DirectoryChange) => {
  return () => ({ publish: [], ...change, fact: { kind, detail: { fields: 'name' } } });
};

/** The suite that every {@link DirectoryStore} must pass. */
export function directoryStoreContract(open: () => Promise<DirectoryStoreBed> | DirectoryStoreBed): void {
  let bed: DirectoryStoreBed;
  beforeAll(async () => {
    bed = await open();
  });

  const change = (
    tenant: string,
    decide: (snapshot: TenantSnapshot) => DirectoryChange | undefined,
    id = randomUUID(),
  ) => bed.store.change(id, tenant, decide);
  const read = async (tenant: string): Promise<TenantSnapshot> => {
    let read: TenantSnapshot | undefined;
    await change(tenant, (snapshot) => {
      read = snapshot;
      return undefined;
    });
    return read as TenantSnapshot;
  };

  it('returns a tenant and its agents exactly as they were written, and the agents in the order of their ids', async () => {
    const id = newId();
    const tenant = tenantOf(id);
    const agents = [agentOf(id, `${id}-b`), agentOf(id, `${id}-a`, { policy: {}, passwords: [] })];
    expect((await read(id)).tenant).toBeUndefined();
    expect(await change(id, writes({ tenant, agents }))).toBe('changed');
    const snapshot = await read(id);
    expect(plain(snapshot.tenant)).toEqual(plain(tenant));
    expect(plain(snapshot.agents)).toEqual(plain([agents[1], agents[0]]));
    expect(snapshot.now).toBeInstanceOf(Date);
    expect([plain(await bed.store.tenant(id)), plain(await bed.store.agent(id, `${id}-b`))]).toEqual(
      plain([tenant, agents[0]]),
    );
  });

  it('replaces the fields of a tenant and of an agent with those of a later change', async () => {
    const id = newId();
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)] }));
    const tenant = tenantOf(id, { name: 'Acme Ltd', policy: {} });
    const agent = agentOf(id, id, { name: 'Help', policy: { language: 'es' }, passwords: [], apiKeys: [] });
    await change(id, writes({ tenant }));
    await change(id, writes({ agents: [agent] }));
    const snapshot = await read(id);
    expect([plain(snapshot.tenant), plain(snapshot.agents)]).toEqual(plain([tenant, [agent]]));
  });

  it('publishes the entries of a change in their order, and records one fact', async () => {
    const [id, other] = [newId(), newId()];
    const publish = [entryOf(other), entryOf(id)];
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)], publish }));
    expect((await bed.published()).filter((key) => key.endsWith(id) || key.endsWith(other))).toEqual([
      `tenant/${other}`,
      `tenant/${id}`,
    ]);
    expect((await bed.facts()).filter(({ tenant }) => tenant === id)).toEqual([{ kind: 'tenant.changed', tenant: id }]);
  });

  it('gives a command that is delivered twice one effect', async () => {
    const [id, commandId] = [newId(), randomUUID()];
    expect(await change(id, writes({ tenant: tenantOf(id) }), commandId)).toBe('changed');
    expect(await change(id, writes({ tenant: tenantOf(id, { name: 'Other' }) }), commandId)).toBe('repeated');
    expect((await read(id)).tenant?.name).toBe('Acme');
    expect((await bed.facts()).filter(({ tenant }) => tenant === id)).toHaveLength(1);
  });

  it('writes nothing when the decision throws, and the command can be carried out later', async () => {
    const [id, commandId] = [newId(), randomUUID()];
    const fails = (): never => {
      throw new RangeError('invalid');
    };
    await expect(change(id, fails, commandId)).rejects.toThrow(RangeError);
    expect(await change(id, writes({ tenant: tenantOf(id) }), commandId)).toBe('changed');
  });

  it("refuses an agent with the id of another tenant's agent, and leaves both tenants as they were", async () => {
    const [owner, other] = [newId(), newId()];
    await change(owner, writes({ tenant: tenantOf(owner), agents: [agentOf(owner, owner)] }));
    await change(other, writes({ tenant: tenantOf(other) }));
    const stolen = agentOf(other, owner, { name: 'Stolen' });
    const renamed = tenantOf(other, { name: 'Renamed' });
    expect(await change(other, writes({ tenant: renamed, agents: [stolen] }))).toBe('taken');
    expect(await read(other)).toMatchObject({ tenant: { name: 'Acme' }, agents: [] });
    expect((await read(owner)).agents).toMatchObject([{ tenant: owner, name: 'Desk' }]);
    expect((await bed.facts()).filter(({ tenant }) => tenant === other)).toHaveLength(1);
  });

  it('carries out 20 simultaneous changes of one tenant one after the other, so none of them is lost', async () => {
    const id = newId();
    await change(id, writes({ tenant: tenantOf(id, { name: 'x' }) }));
    const append = (): Promise<unknown> =>
      change(id, ({ tenant }) => writes({ tenant: tenantOf(id, { name: `${tenant?.name ?? ''}x` }) })());
    await Promise.all(Array.from({ length: 20 }, append));
    expect((await read(id)).tenant?.name).toHaveLength(21);
  });

  it('stores when a tenant and an agent were disabled, and that they were enabled again', async () => {
    const id = newId();
    const disabledAt = new Date('2026-03-01T00:00:00.789Z');
    const disabled = { tenant: tenantOf(id, { disabledAt }), agents: [agentOf(id, id, { disabledAt })] };
    await change(id, writes(disabled));
    expect([(await bed.store.tenant(id))?.disabledAt, (await bed.store.agent(id, id))?.disabledAt]).toEqual([
      disabledAt,
      disabledAt,
    ]);
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)] }));
    expect([(await bed.store.tenant(id))?.disabledAt, (await bed.store.agent(id, id))?.disabledAt]).toEqual([
      null,
      null,
    ]);
  });

  it('deletes an agent, and a tenant with all its agents, and lets another tenant use the id of the agent', async () => {
    const [id, other] = [newId(), newId()];
    const agents = ['a', 'b', 'c'].map((end) => agentOf(id, `${id}-${end}`));
    await change(id, writes({ tenant: tenantOf(id), agents }));
    await change(id, writes({ deletedAgents: [`${id}-b`] }));
    expect((await read(id)).agents.map(({ agent }) => agent)).toEqual([`${id}-a`, `${id}-c`]);
    await change(id, writes({ deletedAgents: [`${id}-a`, `${id}-c`], deletesTenant: true }));
    expect(await bed.store.tenant(id)).toBeUndefined();
    expect(await bed.store.agent(id, `${id}-a`)).toBeUndefined();
    expect(await change(other, writes({ tenant: tenantOf(other), agents: [agentOf(other, `${id}-a`)] }))).toBe(
      'changed',
    );
  });

  it('finds an agent for its own tenant only', async () => {
    const [owner, other] = [newId(), newId()];
    await change(owner, writes({ tenant: tenantOf(owner), agents: [agentOf(owner, owner)] }));
    await change(other, writes({ tenant: tenantOf(other) }));
    expect(await bed.store.agent(other, owner)).toBeUndefined();
    expect(await bed.store.agents(other, { limit: 10 })).toEqual([]);
    expect(await bed.store.agents(newId(), { limit: 10 })).toEqual([]);
  });

  it('lists the agents of a tenant in the order of their ids, page by page, and by state', async () => {
    const id = newId();
    // The order of ASCII: hyphen, digits, underscore, letters.
    const ids = ['-', '-b', '0', '9', '_', 'a', 'a-', 'a0', 'a_', 'aa', 'b'].map((end) => `${id}x${end}`);
    const agents = ids.map((agent, index) =>
      agentOf(id, agent, { disabledAt: index % 3 === 0 ? new Date('2026-03-01T00:00:00Z') : null }),
    );
    await change(id, writes({ tenant: tenantOf(id), agents: [...agents].reverse() }));
    const listed: string[] = [];
    for (;;) {
      const found = await bed.store.agents(id, { limit: 4, after: listed.at(-1) });
      listed.push(...found.map(({ agent }) => agent));
      if (found.length < 4) break;
    }
    expect(listed).toEqual(ids);
    const byState = async (state: 'enabled' | 'disabled'): Promise<string[]> =>
      (await bed.store.agents(id, { limit: 100, state })).map(({ agent }) => agent);
    expect(await byState('disabled')).toEqual(ids.filter((_, index) => index % 3 === 0));
    expect(await byState('enabled')).toEqual(ids.filter((_, index) => index % 3 !== 0));
  });

  it('lists all tenants in the order of their ids, page by page, and by state', async () => {
    const id = newId();
    const ids = ['-', '0', '_', 'a'].map((end) => `${id}x${end}`);
    for (const [index, tenant] of ids.entries()) {
      const disabledAt = index === 1 ? new Date('2026-03-01T00:00:00Z') : null;
      await change(tenant, writes({ tenant: tenantOf(tenant, { disabledAt }) }));
    }
    const first = await bed.store.tenants({ limit: 2, after: `${id}x` });
    const second = await bed.store.tenants({ limit: 2, after: first.at(-1)?.tenant });
    expect([...first, ...second].map(({ tenant }) => tenant)).toEqual(ids);
    const disabled = await bed.store.tenants({ limit: 1, after: `${id}x`, state: 'disabled' });
    expect(disabled.map(({ tenant }) => tenant)).toEqual([ids[1]]);
    const named = await bed.store.tenants({ limit: 9, after: ids[0], tenants: [`${id}xa`, `${id}x-`, `${id}none`] });
    expect(named.map(({ tenant }) => tenant)).toEqual([`${id}xa`]);
    expect(await bed.store.tenants({ limit: 9, tenants: [] })).toEqual([]);
  });

  it('returns the API keys of a tenant as they were written, and to no other tenant', async () => {
    const [id, other] = [newId(), newId()];
    const keys = [keyOf(id, `${id}-b`, { scopes: ['verify'], agent: id }), keyOf(id, `${id}-a`, { expiresAt: null })];
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)], keys }));
    await change(other, writes({ tenant: tenantOf(other) }));
    expect(plain((await read(id)).keys)).toEqual(plain([keys[1], keys[0]]));
    expect(plain(await bed.store.apiKey(id, `${id}-a`))).toEqual(plain(keys[1]));
    expect([await bed.store.apiKey(other, `${id}-a`), (await read(other)).keys]).toEqual([undefined, []]);
    expect(await bed.store.apiKeys(other, { limit: 10 })).toEqual([]);
    expect(await change(other, writes({ keys: [keyOf(other, `${id}-a`)] }))).toBe('taken');
    await change(
      id,
      writes({
        keys: [keyOf(id, `${id}-a`, { name: 'New', disabledAt: new Date('2026-03-02T00:00:00Z'), hashes: [] })],
      }),
    );
    expect(await bed.store.apiKey(id, `${id}-a`)).toMatchObject({
      name: 'New',
      disabledAt: new Date('2026-03-02T00:00:00Z'),
      hashes: [],
    });
  });

  it('lists API keys in the order of their ids, page by page, by state and by agent', async () => {
    const id = newId();
    const ids = ['0', '1', '2', '3', '4'].map((end) => `${id}-${end}`);
    const keys = ids.map((keyId, index) => ({
      ...keyOf(id, keyId, index < 2 ? { scopes: ['verify'], agent: id } : {}),
      disabledAt: index % 2 === 1 ? new Date('2026-03-01T00:00:00Z') : null,
    }));
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)], keys: [...keys].reverse() }));
    const listed = async (query: object): Promise<string[]> =>
      (await bed.store.apiKeys(id, { limit: 10, ...query })).map(({ keyId }) => keyId.slice(-1));
    expect(await listed({ limit: 2 })).toEqual(['0', '1']);
    expect(await listed({ limit: 2, after: ids[1] })).toEqual(['2', '3']);
    expect(await listed({ state: 'disabled' })).toEqual(['1', '3']);
    expect(await listed({ agent: id })).toEqual(['0', '1']);
    expect(await listed({ agent: id, state: 'enabled' })).toEqual(['0']);
  });

  it('deletes API keys, also with their agent and with their tenant', async () => {
    const id = newId();
    const keys = [keyOf(id, `${id}-a`), keyOf(id, `${id}-b`, { scopes: ['verify'], agent: id })];
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)], keys }));
    await change(id, writes({ deletedAgents: [id], deletedKeys: [`${id}-b`] }));
    expect((await read(id)).keys.map(({ keyId }) => keyId)).toEqual([`${id}-a`]);
    await change(id, writes({ deletedKeys: [`${id}-a`], deletesTenant: true }));
    expect(await read(id)).toMatchObject({ tenant: undefined, keys: [] });
  });

  it('records the latest use of a key, never a time to come, and keeps it when the key changes', async () => {
    const [id, other] = [newId(), newId()];
    await change(id, writes({ tenant: tenantOf(id), keys: [keyOf(id, id)] }));
    const lastUse = async (): Promise<Date | null | undefined> => (await bed.store.apiKey(id, id))?.lastUsedAt;
    expect(await lastUse()).toBeNull();
    const [early, late] = [new Date('2025-01-01T00:00:00Z'), new Date('2025-01-01T00:01:00Z')];
    for (const time of [early, late, early]) await bed.store.recordUse(id, id, time);
    await bed.store.recordUse(other, id, new Date('2025-01-02T00:00:00Z'));
    await change(id, writes({ keys: [keyOf(id, id, { name: 'New', lastUsedAt: early })] }));
    expect(await lastUse()).toEqual(late);
    await bed.store.recordUse(id, id, new Date('2999-01-01T00:00:00Z'));
    expect(Number(await lastUse())).toBeLessThan(Date.parse('2998-01-01T00:00:00Z'));
    await bed.store.recordUse(id, 'no-such-key', early);
  });

  it('publishes the entries of every tenant again, each from the stored tenant and agents', async () => {
    const id = newId();
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)] }));
    const agentsOf = new Map<string, number>();
    await bed.store.publishAll(({ tenant, agents }) => {
      if (!tenant) return [];
      agentsOf.set(tenant.tenant, agents.length);
      return [entryOf(tenant.tenant)];
    });
    expect(agentsOf.get(id)).toBe(1);
    expect((await bed.published()).filter((key) => key === `tenant/${id}`)).toHaveLength(1);
  });
}

/** Without the classes of the entities. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
