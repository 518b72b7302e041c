import { type Message } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import {
  DirectoryCaches,
  DirectoryStore,
  type AgentRecord,
  type ApiKeyRecord,
  type AwaitedChange,
  type ChangeResult,
  type DirectoryChange,
  type DirectoryFact,
  type PageQuery,
  type TenantQuery,
  type TenantRecord,
  type TenantSnapshot,
} from '../src/directory.ports.js';

/** The fake of {@link DirectoryStore} for tests of use cases. */
export class FakeDirectoryStore extends DirectoryStore {
  readonly published: Message[] = [];
  readonly facts: (DirectoryFact & { tenant: string })[] = [];
  readonly #tenants = new Map<string, TenantRecord>();
  readonly #agents = new Map<string, AgentRecord>();
  readonly #keys = new Map<string, ApiKeyRecord>();
  readonly #handledCommands = new Set<string>();

  constructor(private readonly clock: Clock) {
    super();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- async: what `decide` throws becomes a rejection
  override async change(
    commandId: string,
    tenant: string,
    decide: (snapshot: TenantSnapshot) => DirectoryChange | undefined,
  ): Promise<ChangeResult> {
    if (this.#handledCommands.has(commandId)) return 'repeated';
    const change = decide(this.#snapshot(tenant));
    const isOfOther = (record: AgentRecord | ApiKeyRecord | undefined): boolean =>
      (record?.tenant ?? tenant) !== tenant;
    if ((change?.agents ?? []).some(({ agent }) => isOfOther(this.#agents.get(agent)))) return 'taken';
    if ((change?.keys ?? []).some(({ keyId }) => isOfOther(this.#keys.get(keyId)))) return 'taken';
    this.#handledCommands.add(commandId);
    if (!change) return 'unchanged';
    if (change.tenant) this.#tenants.set(tenant, change.tenant);
    for (const agent of change.agents ?? []) this.#agents.set(agent.agent, agent);
    for (const key of change.keys ?? []) {
      const lastUsedAt = this.#keys.get(key.keyId)?.lastUsedAt ?? null;
      this.#keys.set(key.keyId, { ...key, lastUsedAt });
    }
    for (const keyId of change.deletedKeys ?? []) this.#keys.delete(keyId);
    for (const agent of change.deletedAgents ?? []) this.#agents.delete(agent);
    if (change.deletesTenant) this.#tenants.delete(tenant);
    this.published.push(...change.publish);
    if (change.fact) this.facts.push({ ...change.fact, tenant });
    return 'changed';
  }

  override tenant(tenant: string): Promise<TenantRecord | undefined> {
    return Promise.resolve(this.#tenants.get(tenant));
  }

  override tenants({ state, tenants: named, ...query }: TenantQuery): Promise<TenantRecord[]> {
    const tenants = [...this.#tenants.values()].filter(({ tenant }) => named?.includes(tenant) ?? true);
    const [deleting, others] = [
      tenants.filter(({ deletion }) => deletion),
      tenants.filter(({ deletion }) => !deletion),
    ];
    if (state === 'deleting') return Promise.resolve(page(deleting, ({ tenant }) => tenant, query));
    return Promise.resolve(page(state === undefined ? tenants : others, ({ tenant }) => tenant, { ...query, state }));
  }

  override agent(tenant: string, agent: string): Promise<AgentRecord | undefined> {
    return Promise.resolve(this.#snapshot(tenant).agents.find((one) => one.agent === agent));
  }

  override agents(tenant: string, query: PageQuery): Promise<AgentRecord[]> {
    return Promise.resolve(page(this.#snapshot(tenant).agents, ({ agent }) => agent, query));
  }

  override apiKey(tenant: string, keyId: string): Promise<ApiKeyRecord | undefined> {
    return Promise.resolve(this.#snapshot(tenant).keys.find((one) => one.keyId === keyId));
  }

  override apiKeys(tenant: string, query: PageQuery & { readonly agent?: string }): Promise<ApiKeyRecord[]> {
    const keys = this.#snapshot(tenant).keys.filter(({ agent }) => query.agent === undefined || agent === query.agent);
    return Promise.resolve(page(keys, ({ keyId }) => keyId, query));
  }

  override recordUse(tenant: string, keyId: string, usedAt: Date): Promise<void> {
    const key = this.#keys.get(keyId);
    if (key?.tenant !== tenant) return Promise.resolve();
    const latest = Math.max(Number(key.lastUsedAt), Math.min(Number(usedAt), this.clock.now()));
    this.#keys.set(keyId, { ...key, lastUsedAt: new Date(latest) });
    return Promise.resolve();
  }

  override publishAll(entries: (snapshot: TenantSnapshot) => readonly Message[]): Promise<void> {
    for (const tenant of [...this.#tenants.keys()].sort()) this.published.push(...entries(this.#snapshot(tenant)));
    return Promise.resolve();
  }

  #snapshot(tenant: string): TenantSnapshot {
    const agents = [...this.#agents.values()].filter((agent) => agent.tenant === tenant);
    const keys = [...this.#keys.values()].filter((key) => key.tenant === tenant);
    return {
      tenant: this.#tenants.get(tenant),
      agents: agents.sort((a, b) => (a.agent < b.agent ? -1 : 1)),
      keys: keys.sort((a, b) => (a.keyId < b.keyId ? -1 : 1)),
      now: new Date(this.clock.now()),
    };
  }
}

function page<T extends Pick<TenantRecord, 'disabledAt'>>(
  records: readonly T[],
  id: (record: T) => string,
  { limit, after = '', state }: PageQuery,
): T[] {
  return records
    .filter((record) => id(record) > after)
    .filter(({ disabledAt }) => state === undefined || (disabledAt !== null) === (state === 'disabled'))
    .sort((a, b) => (id(a) < id(b) ? -1 : 1))
    .slice(0, limit);
}

/** The fake of {@link DirectoryCaches}: no other process has a cache of the directory. */
export class FakeDirectoryCaches extends DirectoryCaches {
  /** Ids of the changes for which a command waited. */
  readonly awaitedChanges: string[] = [];

  override expect(changeId: string): AwaitedChange {
    // eslint-disable-next-line @typescript-eslint/require-await -- as the port
    const reported = async (): Promise<void> => void this.awaitedChanges.push(changeId);
    return { reported, end: () => undefined };
  }
}
