import {
  type Actor,
  type ApiKeyScope,
  type DirectoryState,
  type ErasingService,
  type FactKind,
  type Message,
  type SecretHash,
  type TenantLifeState,
} from '@countersign/contracts';
import { type RawPolicy } from './policies/effective-policy.decision.js';

/** A tenant as stored. */
export interface TenantRecord {
  readonly tenant: string;
  readonly name: string;
  /** As written: only what differs from the policies that it inherits. */
  readonly policy: RawPolicy;
  readonly createdAt: Date;
  /** Null: the tenant is enabled. */
  readonly disabledAt: Date | null;
  /** Null: the tenant is not being deleted. */
  readonly deletion: TenantDeletion | null;
}

/** A deletion in progress. */
export interface TenantDeletion {
  /** The services that have erased the tenant. */
  readonly erasedBy: readonly ErasingService[];
  /** Who requested it. */
  readonly actor: Actor;
}

/** An agent as stored. */
export interface AgentRecord {
  readonly tenant: string;
  readonly agent: string;
  readonly name: string;
  readonly policy: RawPolicy;
  readonly passwords: readonly SecretHash[];
  readonly apiKeys: readonly SecretHash[];
  readonly createdAt: Date;
  /** Null: the agent is enabled. It can still be unable to authenticate, because its tenant is disabled. */
  readonly disabledAt: Date | null;
}

/** An API key as stored. */
export interface ApiKeyRecord {
  readonly tenant: string;
  /** Unique in the installation. */
  readonly keyId: string;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Null without the scope `verify`. */
  readonly agent: string | null;
  /** Of the current text, then those in their grace period. */
  readonly hashes: readonly SecretHash[];
  readonly createdAt: Date;
  /** Null: it does not expire. */
  readonly expiresAt: Date | null;
  /** Null: the key is enabled. */
  readonly disabledAt: Date | null;
  /** To a minute. Null: it was never used. A change does not write it. */
  readonly lastUsedAt: Date | null;
}

/** A tenant with its agents and API keys; the tenant is locked until the transaction ends. */
export interface TenantSnapshot {
  /** Undefined when there is no such tenant. */
  readonly tenant: TenantRecord | undefined;
  /** In the order of their ids. */
  readonly agents: readonly AgentRecord[];
  /** In the order of their ids. */
  readonly keys: readonly ApiKeyRecord[];
  /** Database time. */
  readonly now: Date;
}

/** The effect of a command: rows to write and to delete, entries to publish, and the fact to record. */
export interface DirectoryChange {
  readonly tenant?: TenantRecord;
  readonly agents?: readonly AgentRecord[];
  /** Ids. The keys of an agent must be deleted too. */
  readonly deletedAgents?: readonly string[];
  readonly keys?: readonly ApiKeyRecord[];
  /** Ids. */
  readonly deletedKeys?: readonly string[];
  /** All agents and keys of the tenant must be deleted too. */
  readonly deletesTenant?: boolean;
  readonly publish: readonly Message[];
  /** Undefined: the change is no event. */
  readonly fact?: DirectoryFact;
}

/** The event of a change. */
export interface DirectoryFact {
  readonly kind: FactKind;
  readonly agent?: string;
  readonly actor?: Actor;
  readonly detail: Readonly<Record<string, string>>;
}

/** Result of {@link DirectoryStore.change}. */
export type ChangeResult = 'changed' | 'unchanged' | 'repeated' | 'taken';

/** One page of a list in the order of the ids. */
export interface PageQuery<State = DirectoryState> {
  /** The largest number of records. */
  readonly limit: number;
  /** Records after this id. Undefined: from the first one. */
  readonly after?: string | undefined;
  /** Undefined: records in any state. */
  readonly state?: State | undefined;
}

/** One page of the list of tenants. */
export interface TenantQuery extends PageQuery<TenantLifeState> {
  readonly tenants?: readonly string[] | undefined;
}

/** Stores tenants and agents with their policies, and API keys. */
export abstract class DirectoryStore {
  /**
   * Locks the tenant, calls `decide`, and writes the change that it returns with its entries and its fact, all in one
   * transaction. Simultaneous changes of one tenant run one after the other.
   * @param decide returns undefined to change nothing; what it throws rolls the transaction back
   * @returns `repeated`: the command took effect before, so `decide` was not called; `taken`: another tenant has an agent
   * of this id, and nothing was written
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract change(
    commandId: string,
    tenant: string,
    decide: (snapshot: TenantSnapshot) => DirectoryChange | undefined,
  ): Promise<ChangeResult>;

  /** @returns undefined when there is no such tenant */
  abstract tenant(tenant: string): Promise<TenantRecord | undefined>;

  /** @param query with `tenants`: only these */
  abstract tenants(query: TenantQuery): Promise<TenantRecord[]>;

  /** @returns undefined when the tenant has no such agent */
  abstract agent(tenant: string, agent: string): Promise<AgentRecord | undefined>;

  /** @returns an empty list also when there is no such tenant */
  abstract agents(tenant: string, query: PageQuery): Promise<AgentRecord[]>;

  /** @returns undefined when the tenant has no such key */
  abstract apiKey(tenant: string, keyId: string): Promise<ApiKeyRecord | undefined>;

  /**
   * @param query with `agent`: only keys of this agent
   * @returns an empty list also when there is no such tenant
   */
  abstract apiKeys(tenant: string, query: PageQuery & { readonly agent?: string | undefined }): Promise<ApiKeyRecord[]>;

  /**
   * Records the time when a key was used: the latest that was reported, and never a time to come. Does nothing when the
   * tenant has no such key.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract recordUse(tenant: string, keyId: string, usedAt: Date): Promise<void>;

  /** Publishes the entries of every tenant, one transaction per tenant. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract publishAll(entries: (snapshot: TenantSnapshot) => readonly Message[]): Promise<void>;
}

/** A change, while the reports of it are collected. */
export interface AwaitedChange {
  /** Resolves when every live cache has reported the change, and at the latest after a limit of seconds. */
  reported(): Promise<void>;
  /** Ends the collection. Must be called. */
  end(): void;
}

/** The caches of the directory in other processes. */
export abstract class DirectoryCaches {
  /** Collects the reports of a change from now on. Call it before the change is committed, so that none is missed. */
  abstract expect(changeId: string): AwaitedChange;
}
