import { Injectable } from '@nestjs/common';
import { CHANGE_HEADER, encodeMessage, factRecorded, type Message, type TenantLifeState } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import {
  Database,
  databaseTime,
  Inbox,
  Outbox,
  OutboxRelay,
  UniqueViolation,
  type Transaction,
} from '@countersign/persistence';
import { And, In, IsNull, MoreThan, Not, type EntityManager, type FindOperator } from 'typeorm';
import { v7 as uuid } from 'uuid';
import { AgentEntity } from './agents/agent.entity.js';
import { ApiKeyEntity } from './api-keys/api-key.entity.js';
import {
  DirectoryStore,
  type AgentRecord,
  type ApiKeyRecord,
  type ChangeResult,
  type DirectoryChange,
  type DirectoryFact,
  type PageQuery,
  type TenantQuery,
  type TenantRecord,
  type TenantSnapshot,
} from './directory.ports.js';
import { TenantEntity } from './tenants/tenant.entity.js';

/** The tables that the store reads and writes by TypeORM. */
export const DIRECTORY_ENTITIES = [TenantEntity, AgentEntity, ApiKeyEntity];

/** Constraints that a new id violates when another tenant has it. */
const TAKEN_IDS: ReadonlySet<string> = new Set(['agents_pkey', 'api_keys_pkey']);

const RECORD_USE = `UPDATE directory.api_keys
  SET last_used_at = GREATEST(last_used_at, LEAST($3, clock_timestamp()))
  WHERE tenant = $1 AND key_id = $2`;

/** The directory in PostgreSQL. */
@Injectable()
export class PostgresDirectoryStore extends DirectoryStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {
    super();
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
  }

  override async change(
    commandId: string,
    tenant: string,
    decide: (snapshot: TenantSnapshot) => DirectoryChange | undefined,
  ): Promise<ChangeResult> {
    try {
      const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
        await lockTenant(tx, tenant);
        if (!(await this.#inbox.claim(tx, 'directory-commands', commandId))) return 'repeated';
        const snapshot = await readSnapshot(tx, tenant);
        const change = decide(snapshot);
        if (!change) return 'unchanged';
        if (change.tenant) await tx.entities.save(TenantEntity, change.tenant);
        // An agent or a key of another tenant is invisible here. Its id is inserted, which violates the primary key.
        await tx.entities.save(AgentEntity, [...(change.agents ?? [])]);
        await tx.entities.save(ApiKeyEntity, [...(change.keys ?? [])] as ApiKeyEntity[]);
        for (const keyId of change.deletedKeys ?? []) await tx.entities.delete(ApiKeyEntity, { tenant, keyId });
        for (const agent of change.deletedAgents ?? []) await tx.entities.delete(AgentEntity, { tenant, agent });
        if (change.deletesTenant) await tx.entities.delete(TenantEntity, { tenant });
        await this.#publish(tx, commandId, change.publish);
        if (change.fact) await this.#record(tx, commandId, tenant, snapshot.now, change.fact);
        return 'changed';
      });
      this.relay.wake();
      return result;
    } catch (error) {
      if (error instanceof UniqueViolation && TAKEN_IDS.has(error.constraint)) return 'taken';
      throw error;
    }
  }

  override tenant(tenant: string): Promise<TenantRecord | undefined> {
    return this.#read(tenant, async (entities) => (await entities.findOneBy(TenantEntity, { tenant })) ?? undefined);
  }

  override tenants(query: TenantQuery): Promise<TenantRecord[]> {
    const named = [
      ...(query.after === undefined ? [] : [MoreThan(query.after)]),
      ...(query.tenants === undefined ? [] : [In(query.tenants)]),
    ];
    const where = { ...tenantStateOf(query), ...(named.length > 0 && { tenant: And(...named) }) };
    return this.database
      .forAllTenants()
      .transaction((tx) => tx.entities.find(TenantEntity, { where, order: { tenant: 'ASC' }, take: query.limit }));
  }

  override agent(tenant: string, agent: string): Promise<AgentRecord | undefined> {
    return this.#read(
      tenant,
      async (entities) => (await entities.findOneBy(AgentEntity, { tenant, agent })) ?? undefined,
    );
  }

  override agents(tenant: string, query: PageQuery): Promise<AgentRecord[]> {
    const where = { tenant, ...stateOf(query), ...(query.after !== undefined && { agent: MoreThan(query.after) }) };
    return this.#read(tenant, (entities) =>
      entities.find(AgentEntity, { where, order: { agent: 'ASC' }, take: query.limit }),
    );
  }

  override apiKey(tenant: string, keyId: string): Promise<ApiKeyRecord | undefined> {
    return this.#read(
      tenant,
      async (entities) => (await entities.findOneBy(ApiKeyEntity, { tenant, keyId })) ?? undefined,
    );
  }

  override apiKeys(tenant: string, query: PageQuery & { readonly agent?: string }): Promise<ApiKeyRecord[]> {
    const where = {
      ...{ tenant, ...stateOf(query), ...(query.after !== undefined && { keyId: MoreThan(query.after) }) },
      ...(query.agent !== undefined && { agent: query.agent }),
    };
    return this.#read(tenant, (entities) =>
      entities.find(ApiKeyEntity, { where, order: { keyId: 'ASC' }, take: query.limit }),
    );
  }

  override async recordUse(tenant: string, keyId: string, usedAt: Date): Promise<void> {
    await this.database.forTenants([tenant]).query(RECORD_USE, [tenant, keyId, usedAt]);
  }

  override async publishAll(entries: (snapshot: TenantSnapshot) => readonly Message[]): Promise<void> {
    const tenants = await this.database
      .forAllTenants()
      .query<{ tenant: string }>('SELECT tenant FROM directory.tenants ORDER BY 1');
    const changeId = uuid();
    for (const { tenant } of tenants) {
      await this.database.forTenants([tenant]).transaction(async (tx) => {
        await lockTenant(tx, tenant);
        await this.#publish(tx, changeId, entries(await readSnapshot(tx, tenant)));
      });
    }
    this.relay.wake();
  }

  #read<T>(tenant: string, read: (entities: EntityManager) => Promise<T>): Promise<T> {
    return this.database.forTenants([tenant]).transaction((tx) => read(tx.entities));
  }

  /**
   * The outbox locks the key of each entry until the commit, so entries of one key are published in commit order. The topic
   * has one partition: a cache that has applied the last entry has applied all.
   */
  async #publish(tx: Transaction, changeId: string, messages: readonly Message[]): Promise<void> {
    const encoded = messages.map((entry, index) => {
      const isLast = index === messages.length - 1;
      return encodeMessage(uuid(), entry, { ...traceHeaders(), ...(isLast && { [CHANGE_HEADER]: changeId }) });
    });
    await this.#outbox.add(tx, encoded);
  }

  async #record(
    tx: Transaction,
    commandId: string,
    tenant: string,
    time: Date,
    { kind, ...fields }: DirectoryFact,
  ): Promise<void> {
    const recorded = factRecorded(kind, time, { ...fields, tenant, commandId });
    await this.#outbox.add(tx, [encodeMessage(recorded.factId, recorded, traceHeaders())]);
  }
}

/** An advisory lock, because a tenant that does not exist yet has no row to lock. */
async function lockTenant(tx: Transaction, tenant: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`directory:${tenant}`]);
}

async function readSnapshot(tx: Transaction, tenant: string): Promise<TenantSnapshot> {
  const record = await tx.entities.findOneBy(TenantEntity, { tenant });
  const agents = await tx.entities.find(AgentEntity, { where: { tenant }, order: { agent: 'ASC' } });
  const keys = await tx.entities.find(ApiKeyEntity, { where: { tenant }, order: { keyId: 'ASC' } });
  return { tenant: record ?? undefined, agents, keys, now: await databaseTime(tx) };
}

function tenantStateOf({ state, ...query }: PageQuery<TenantLifeState>): object {
  if (state === 'deleting') return { deletion: Not(IsNull()) };
  return { ...stateOf({ ...query, state }), ...(state === 'disabled' && { deletion: IsNull() }) };
}

function stateOf({ state }: PageQuery): { disabledAt?: FindOperator<Date> } {
  switch (state) {
    case undefined:
      return {};
    case 'enabled':
      return { disabledAt: IsNull() as FindOperator<Date> };
    case 'disabled':
      return { disabledAt: Not(IsNull()) as FindOperator<Date> };
  }
}
