import { randomUUID } from 'node:crypto';
import { message, TenantPublished, type FactKind } from '@countersign/contracts';
import {
  type AgentRecord,
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
  ...more,
});

const agentOf = (tenant: string, agent: string, more: Partial<AgentRecord> = {}): AgentRecord => ({
  ...{ tenant, agent, name: 'Desk', policy: { trustsCallsOf: ['a', 'b'], language: 'en-US' } },
  passwords: [{ hash: '1'.repeat(64) }, { hash: '2'.repeat(64), validUntil: '2026-01-01T00:00:00.000Z' }],
  apiKeys: [{ hash: '3'.repeat(64) }],
  ...more,
});

const entryOf = (tenant: string): TenantPublished =>
  message(TenantPublished, { tenant, name: 'Acme', policy: {} as TenantPublished['policy'] });

/** Ids that no other test has used. */
const newId = (): string => `t-${randomUUID()}`;

const writes = (
  change: Pick<DirectoryChange, 'tenant' | 'agents'> & { publish?: DirectoryChange['publish'] },
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
    expect(plain(snapshot.tenant)).toEqual(tenant);
    expect(plain(snapshot.agents)).toEqual([agents[1], agents[0]]);
    expect(new Date(snapshot.now).toISOString()).toBe(snapshot.now);
  });

  it('replaces the fields of a tenant and of an agent with those of a later change', async () => {
    const id = newId();
    await change(id, writes({ tenant: tenantOf(id), agents: [agentOf(id, id)] }));
    const tenant = tenantOf(id, { name: 'Acme Ltd', policy: {} });
    const agent = agentOf(id, id, { name: 'Help', policy: { language: 'es' }, passwords: [], apiKeys: [] });
    await change(id, writes({ tenant }));
    await change(id, writes({ agents: [agent] }));
    const snapshot = await read(id);
    expect([plain(snapshot.tenant), plain(snapshot.agents)]).toEqual([tenant, [agent]]);
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
