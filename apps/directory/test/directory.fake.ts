import { type Message } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import {
  DirectoryCaches,
  DirectoryStore,
  type AgentRecord,
  type AwaitedChange,
  type ChangeResult,
  type DirectoryChange,
  type PageQuery,
  type TenantRecord,
  type TenantSnapshot,
} from '../src/directory.ports.js';

/** The fake of {@link DirectoryStore} for tests of use cases. */
export class FakeDirectoryStore extends DirectoryStore {
  readonly published: Message[] = [];
  readonly facts: (DirectoryChange['fact'] & { tenant: string })[] = [];
  readonly #tenants = new Map<string, TenantRecord>();
  readonly #agents = new Map<string, AgentRecord>();
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
    if ((change?.agents ?? []).some(({ agent }) => (this.#agents.get(agent)?.tenant ?? tenant) !== tenant)) {
      return 'taken';
    }
    this.#handledCommands.add(commandId);
    if (!change) return 'unchanged';
    if (change.tenant) this.#tenants.set(tenant, change.tenant);
    for (const agent of change.agents ?? []) this.#agents.set(agent.agent, agent);
    for (const agent of change.deletedAgents ?? []) this.#agents.delete(agent);
    if (change.deletesTenant) this.#tenants.delete(tenant);
    this.published.push(...change.publish);
    this.facts.push({ ...change.fact, tenant });
    return 'changed';
  }

  override tenant(tenant: string): Promise<TenantRecord | undefined> {
    return Promise.resolve(this.#tenants.get(tenant));
  }

  override tenants(query: PageQuery): Promise<TenantRecord[]> {
    return Promise.resolve(page([...this.#tenants.values()], ({ tenant }) => tenant, query));
  }

  override agent(tenant: string, agent: string): Promise<AgentRecord | undefined> {
    return Promise.resolve(this.#snapshot(tenant).agents.find((one) => one.agent === agent));
  }

  override agents(tenant: string, query: PageQuery): Promise<AgentRecord[]> {
    return Promise.resolve(page(this.#snapshot(tenant).agents, ({ agent }) => agent, query));
  }

  override publishAll(entries: (snapshot: TenantSnapshot) => readonly Message[]): Promise<void> {
    for (const tenant of [...this.#tenants.keys()].sort()) this.published.push(...entries(this.#snapshot(tenant)));
    return Promise.resolve();
  }

  #snapshot(tenant: string): TenantSnapshot {
    const agents = [...this.#agents.values()].filter((agent) => agent.tenant === tenant);
    return {
      tenant: this.#tenants.get(tenant),
      agents: agents.sort((a, b) => (a.agent < b.agent ? -1 : 1)),
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
