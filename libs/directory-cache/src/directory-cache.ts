import { randomUUID } from 'node:crypto';
import {
  AgentPublished,
  AgentRemoved,
  ApiKeyPublished,
  ApiKeyRemoved,
  CHANGE_HEADER,
  DirectoryCacheReported,
  MAX_REPORTED_CHANGES,
  message,
  TenantDeletionStarted,
  TenantPublished,
  TenantRemoved,
  TOPICS,
  type MessageClass,
  type SecretHash,
} from '@countersign/contracts';
import { constantTimeEquals, sha256 } from '@countersign/crypto';
import { decode, toRecord, type Broker, type ConsumedRecord, type Follower } from '@countersign/messaging';

const ENTRIES = new Map<string, MessageClass>([
  [TenantPublished.type, TenantPublished],
  [AgentPublished.type, AgentPublished],
  [TenantDeletionStarted.type, TenantDeletionStarted],
  [TenantRemoved.type, TenantRemoved],
  [AgentRemoved.type, AgentRemoved],
  [ApiKeyPublished.type, ApiKeyPublished],
  [ApiKeyRemoved.type, ApiKeyRemoved],
]);

/** Compared with when the agent or key is unknown, so that an unknown one and a wrong secret cost the same. */
const NO_SECRETS: readonly SecretHash[] = [{ hash: '0'.repeat(64) }];

/**
 * A read-only cache of the directory (tenants, agents, policies, API keys) in memory, kept up to date from its compacted topic. It is
 * complete when `follow` returns. It reports every change that it has applied, and the directory confirms a change only
 * after these reports.
 */
export class DirectoryCache {
  readonly #id = randomUUID();
  readonly #tenants = new Map<string, TenantPublished>();
  readonly #deletions = new Map<string, TenantDeletionStarted>();
  readonly #agents = new Map<string, AgentPublished>();
  readonly #agentOfApiKey = new Map<string, string>();
  readonly #apiKeys = new Map<string, ApiKeyPublished>();
  readonly #apiKeyOfHash = new Map<string, string>();
  /** Ids of applied changes that are not reported yet. */
  readonly #unreported: string[] = [];
  #follower: Follower | undefined;
  #caughtUp = false;
  #isReporting = false;

  private constructor(
    private readonly broker: Broker,
    private readonly service: string,
  ) {}

  /**
   * @param service name of the service that uses the cache, for the log of the directory
   * @throws ServiceError BROKER_UNAVAILABLE
   */
  static async follow(broker: Broker, service: string, onFatal: (error: Error) => void): Promise<DirectoryCache> {
    const cache = new DirectoryCache(broker, service);
    const apply = (record: ConsumedRecord): void => {
      try {
        cache.#apply(record);
      } catch (error) {
        // Skipping an entry could keep a revoked agent active, so the process ends instead.
        onFatal(error as Error);
      }
    };
    await broker.ensureTopics([TOPICS.directory, TOPICS.directoryCaches]);
    // Before the topic is read, so that the directory waits for this cache from the first change that it may miss.
    await broker.send([cache.#report(true, [])]);
    cache.#follower = await broker.follow(TOPICS.directory.name, apply, onFatal);
    await cache.#follower.caughtUp;
    cache.#caughtUp = true;
    cache.#reportChanges();
    return cache;
  }

  ready(): boolean {
    return this.#caughtUp;
  }

  tenant(tenant: string): TenantPublished | undefined {
    return this.#tenants.get(tenant);
  }

  /** Tenants that are being deleted. {@link tenant} does not return them. */
  deletions(): readonly TenantDeletionStarted[] {
    return [...this.#deletions.values()];
  }

  agent(agent: string): AgentPublished | undefined {
    return this.#agents.get(agent);
  }

  /** All agents of a tenant. */
  agentsOf(tenant: string): AgentPublished[] {
    return [...this.#agents.values()].filter((agent) => agent.tenant === tenant);
  }

  /** The agent with this password. Undefined for an unknown agent and for a wrong password, at the same cost. */
  agentByPassword(agent: string, password: string, now: number): AgentPublished | undefined {
    const known = this.#agents.get(agent);
    return accepts(known?.passwords ?? NO_SECRETS, sha256(password), now) ? known : undefined;
  }

  /**
   * The API key of a tenant, or the agent, that this text authenticates. Undefined for an unknown text and for one that has
   * expired, at the same cost.
   */
  clientByKey(text: string, now: number): ApiKeyPublished | AgentPublished | undefined {
    const hash = sha256(text);
    const key = this.#apiKeys.get(this.#apiKeyOfHash.get(hash) ?? '');
    const agent = this.#agents.get(this.#agentOfApiKey.get(hash) ?? '');
    const isKey = accepts(key?.hashes ?? NO_SECRETS, hash, now) && isBefore(now, key?.expiresAt);
    const isAgent = accepts(agent?.apiKeys ?? NO_SECRETS, hash, now);
    if (isKey) return key;
    return isAgent ? agent : undefined;
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    // Without this report the directory waits for the cache once more, up to its limit.
    if (this.broker.healthy()) await this.broker.send([this.#report(false, [])]).catch(() => undefined);
  }

  #apply(record: ConsumedRecord): void {
    this.#applyEntry(record);
    const change = record.headers[CHANGE_HEADER];
    if (change === undefined) return;
    this.#unreported.push(change);
    // The directory waits seconds for a change, so the oldest ones are not awaited any more.
    if (this.#unreported.length > MAX_REPORTED_CHANGES) this.#unreported.shift();
    if (this.#caughtUp) this.#reportChanges();
  }

  #applyEntry(record: ConsumedRecord): void {
    // A newer directory may publish kinds of entries that this version does not know.
    if (!ENTRIES.has(record.headers['type'] ?? '')) return;
    const entry = decode(record, ENTRIES);
    if (entry instanceof TenantPublished || entry instanceof TenantDeletionStarted || entry instanceof TenantRemoved) {
      this.#tenants.delete(entry.tenant);
      this.#deletions.delete(entry.tenant);
    }
    if (entry instanceof TenantPublished) this.#tenants.set(entry.tenant, entry);
    if (entry instanceof TenantDeletionStarted) this.#deletions.set(entry.tenant, entry);
    if (entry instanceof AgentRemoved) this.#removeAgent(entry.agent);
    if (entry instanceof ApiKeyRemoved) this.#removeApiKey(entry.keyId);
    if (entry instanceof ApiKeyPublished) {
      this.#removeApiKey(entry.keyId);
      this.#apiKeys.set(entry.keyId, entry);
      for (const { hash } of entry.hashes) this.#apiKeyOfHash.set(hash, entry.keyId);
    }
    if (entry instanceof AgentPublished) {
      this.#removeAgent(entry.agent);
      this.#agents.set(entry.agent, entry);
      for (const key of entry.apiKeys) this.#agentOfApiKey.set(key.hash, entry.agent);
    }
  }

  #removeAgent(agent: string): void {
    for (const key of this.#agents.get(agent)?.apiKeys ?? []) this.#agentOfApiKey.delete(key.hash);
    this.#agents.delete(agent);
  }

  #removeApiKey(keyId: string): void {
    for (const { hash } of this.#apiKeys.get(keyId)?.hashes ?? []) this.#apiKeyOfHash.delete(hash);
    this.#apiKeys.delete(keyId);
  }

  /** Changes that are applied while a report is sent share the next one. */
  #reportChanges(): void {
    if (this.#isReporting || this.#unreported.length === 0) return;
    this.#isReporting = true;
    this.broker
      .send([this.#report(true, this.#unreported.splice(0))])
      // A lost report delays one confirmation; the next report counts again.
      .catch(() => undefined)
      .finally(() => {
        this.#isReporting = false;
        this.#reportChanges();
      });
  }

  #report(isOpen: boolean, changes: string[]): ReturnType<typeof toRecord> {
    const { service } = this;
    return toRecord({ message: message(DirectoryCacheReported, { cacheId: this.#id, service, isOpen, changes }) });
  }
}

function accepts(hashes: readonly SecretHash[], hash: string, now: number): boolean {
  let accepted = false;
  for (const known of hashes) {
    // No early return, so the time does not reveal which hash matched.
    if (constantTimeEquals(known.hash, hash) && isBefore(now, known.validUntil)) accepted = true;
  }
  return accepted;
}

/** @param end ISO 8601; undefined: there is no end */
function isBefore(now: number, end: string | undefined): boolean {
  return end === undefined || Date.parse(end) > now;
}
