import { AgentPublished, TenantPublished, TOPICS, type MessageClass, type SecretHash } from '@countersign/contracts';
import { decode, type Broker, type ConsumedRecord, type Follower } from '@countersign/messaging';
import { constantTimeEquals, sha256 } from '@countersign/crypto';

const ENTRIES = new Map<string, MessageClass>([
  [TenantPublished.type, TenantPublished],
  [AgentPublished.type, AgentPublished],
]);

/** Compared with when the agent is unknown, so that an unknown agent and a wrong password cost the same. */
const NOBODY: readonly SecretHash[] = [{ hash: '0'.repeat(64) }];

/**
 * A read-only copy of the directory (tenants, agents, policies) in memory, kept up to date from its compacted topic.
 * It is complete when `follow` returns, and hears of a change within the time of one hop.
 */
export class DirectoryCache {
  readonly #tenants = new Map<string, TenantPublished>();
  readonly #agents = new Map<string, AgentPublished>();
  readonly #agentOfApiKey = new Map<string, string>();
  #follower: Follower | undefined;
  #caughtUp = false;

  private constructor() {}

  /** @throws ServiceError BROKER_UNAVAILABLE */
  static async follow(broker: Broker, onFatal: (error: Error) => void): Promise<DirectoryCache> {
    const copy = new DirectoryCache();
    const take = (record: ConsumedRecord): void => {
      try {
        copy.#take(record);
      } catch (error) {
        // Passing over an entry could keep a revoked agent alive: better no service than a copy that is not the directory.
        onFatal(error as Error);
      }
    };
    copy.#follower = await broker.follow(TOPICS.directory.name, take, onFatal);
    await copy.#follower.caughtUp;
    copy.#caughtUp = true;
    return copy;
  }

  ready(): boolean {
    return this.#caughtUp;
  }

  tenant(tenant: string): TenantPublished | undefined {
    return this.#tenants.get(tenant);
  }

  agent(agent: string): AgentPublished | undefined {
    return this.#agents.get(agent);
  }

  /** All agents of a tenant. */
  agentsOf(tenant: string): AgentPublished[] {
    return [...this.#agents.values()].filter((agent) => agent.tenant === tenant);
  }

  /** The agent whose password this is; undefined for an unknown agent and a wrong password alike. */
  agentByPassword(agent: string, password: string, now: number): AgentPublished | undefined {
    const known = this.#agents.get(agent);
    return accepts(known?.passwords ?? NOBODY, sha256(password), now) ? known : undefined;
  }

  /** The agent whose API key this is. */
  agentByApiKey(apiKey: string, now: number): AgentPublished | undefined {
    const hash = sha256(apiKey);
    const known = this.#agents.get(this.#agentOfApiKey.get(hash) ?? '');
    return accepts(known?.apiKeys ?? NOBODY, hash, now) ? known : undefined;
  }

  async close(): Promise<void> {
    await this.#follower?.close();
  }

  #take(record: ConsumedRecord): void {
    // A newer directory may publish kinds of entries that this version does not know.
    if (!ENTRIES.has(record.headers['type'] ?? '')) return;
    const entry = decode(record, ENTRIES);
    if (entry instanceof TenantPublished) this.#tenants.set(entry.tenant, entry);
    if (entry instanceof AgentPublished) this.#takeAgent(entry);
  }

  #takeAgent(agent: AgentPublished): void {
    for (const key of this.#agents.get(agent.agent)?.apiKeys ?? []) this.#agentOfApiKey.delete(key.hash);
    for (const key of agent.apiKeys) this.#agentOfApiKey.set(key.hash, agent.agent);
    this.#agents.set(agent.agent, agent);
  }
}

function accepts(hashes: readonly SecretHash[], hash: string, now: number): boolean {
  let accepted = false;
  for (const known of hashes) {
    const valid = known.validUntil === undefined || Date.parse(known.validUntil) > now;
    // No early return: the time must not tell which hash was compared last.
    if (constantTimeEquals(known.hash, hash) && valid) accepted = true;
  }
  return accepted;
}
