import { v7 as uuid } from 'uuid';
import { encodeMessage, type Message, type SecretHash, factRecorded } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { databaseTime, Inbox, Outbox, UniqueViolation, type Database, type Sql } from '@countersign/persistence';
import { type RawPolicy } from '../policies/effective-policy.decision.js';
import {
  DirectoryStore,
  type AgentRecord,
  type ChangeResult,
  type DirectoryChange,
  type TenantRecord,
  type TenantSnapshot,
} from './directory.ports.js';

interface AgentRow {
  tenant: string;
  agent: string;
  name: string;
  policy: RawPolicy;
  passwords: SecretHash[];
  api_keys: SecretHash[];
}

/** The directory in PostgreSQL. */
export class PostgresDirectoryStore extends DirectoryStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
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
        const snapshot = await this.#snapshot(tx, tenant);
        const change = decide(snapshot);
        if (!change) return 'unchanged';
        if (change.tenant) await writeTenant(tx, change.tenant);
        for (const agent of change.agents ?? []) await writeAgent(tx, agent);
        await this.#publish(tx, change.publish);
        await this.#record(tx, commandId, tenant, snapshot.now, change);
        return 'changed';
      });
      this.wakeRelay();
      return result;
    } catch (error) {
      if (error instanceof UniqueViolation && error.constraint === 'agents_pkey') return 'taken';
      throw error;
    }
  }

  override async publishAll(entries: (snapshot: TenantSnapshot) => readonly Message[]): Promise<void> {
    const tenants = await this.database
      .forAllTenants()
      .query<{ tenant: string }>('SELECT tenant FROM directory.tenants ORDER BY 1');
    for (const { tenant } of tenants) {
      await this.database.forTenants([tenant]).transaction(async (tx) => {
        await lockTenant(tx, tenant);
        await this.#publish(tx, entries(await this.#snapshot(tx, tenant)));
      });
    }
    this.wakeRelay();
  }

  async #snapshot(tx: Sql, tenant: string): Promise<TenantSnapshot> {
    const [record] = await tx.query<TenantRecord>(
      'SELECT tenant, name, policy FROM directory.tenants WHERE tenant = $1',
      [tenant],
    );
    const agents = await tx.query<AgentRow>(
      'SELECT tenant, agent, name, policy, passwords, api_keys FROM directory.agents WHERE tenant = $1 ORDER BY agent',
      [tenant],
    );
    const now = await databaseTime(tx);
    return {
      tenant: record,
      agents: agents.map(({ api_keys: apiKeys, ...agent }) => ({ ...agent, apiKeys })),
      now: now.toISOString(),
    };
  }

  /** The outbox locks the key of each entry until the commit, so entries of one key are published in commit order. */
  async #publish(tx: Sql, messages: readonly Message[]): Promise<void> {
    await this.#outbox.add(
      tx,
      messages.map((entry) => encodeMessage(uuid(), entry, traceHeaders())),
    );
  }

  async #record(tx: Sql, commandId: string, tenant: string, time: string, { fact }: DirectoryChange): Promise<void> {
    const recorded = factRecorded(fact.kind, new Date(time), {
      tenant,
      commandId,
      ...(fact.agent === undefined ? {} : { agent: fact.agent }),
      detail: fact.detail,
    });
    await this.#outbox.add(tx, [encodeMessage(recorded.factId, recorded, traceHeaders())]);
  }
}

/** An advisory lock, because a tenant that does not exist yet has no row to lock. */
async function lockTenant(tx: Sql, tenant: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`directory:${tenant}`]);
}

async function writeTenant(tx: Sql, { tenant, name, policy }: TenantRecord): Promise<void> {
  await tx.query(
    `INSERT INTO directory.tenants (tenant, name, policy) VALUES ($1, $2, $3)
     ON CONFLICT (tenant) DO UPDATE SET name = EXCLUDED.name, policy = EXCLUDED.policy`,
    [tenant, name, JSON.stringify(policy)],
  );
}

/** Not an upsert by id: it would overwrite an agent of another tenant. The insert then violates the primary key. */
async function writeAgent(tx: Sql, agent: AgentRecord): Promise<void> {
  const values = [
    agent.agent,
    agent.tenant,
    agent.name,
    JSON.stringify(agent.policy),
    JSON.stringify(agent.passwords),
    JSON.stringify(agent.apiKeys),
  ];
  const updated = await tx.query(
    `UPDATE directory.agents SET name = $3, policy = $4, passwords = $5, api_keys = $6
     WHERE agent = $1 AND tenant = $2 RETURNING 1`,
    values,
  );
  if (updated.length > 0) return;
  await tx.query(
    `INSERT INTO directory.agents (agent, tenant, name, policy, passwords, api_keys) VALUES ($1, $2, $3, $4, $5, $6)`,
    values,
  );
}
