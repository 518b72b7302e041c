import { encodeMessage, factRecorded, type Actor, type TenantDeletionStarted } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { traceHeaders } from '@countersign/observability';
import { Outbox, type Database, type Sql } from '@countersign/persistence';
import { REMOVE_RECOGNIZED_CALLERS, RESET_FOR_NEW_TENANT } from '../../attempts/gate/attempt-counter.sql.js';
import { END_VERSIONS } from '../subject.sql.js';

/** Subjects, and counters, of one transaction. */
const BATCH = 100;
/** Transactions of one call, so that a service that stops does not wait for a large tenant. */
const MAX_BATCHES = 10;

/** Another tenant of this id was deleted before: its erasure is complete, because the directory waits for it. $1 tenant, $2 time of its creation */
const BEGIN = `
INSERT INTO verification.tenant_erasures AS known (tenant, tenant_created_at)
VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE
  SET
    tenant_created_at = EXCLUDED.tenant_created_at,
    started_at = clock_timestamp(),
    completed_at = NULL
  WHERE known.tenant_created_at <> EXCLUDED.tenant_created_at`;

const IS_COMPLETE = `
SELECT
FROM verification.tenant_erasures
WHERE tenant = $1 AND completed_at IS NOT NULL`;

const FIND_UNFINISHED = `
SELECT tenant, tenant_created_at
FROM verification.tenant_erasures
WHERE completed_at IS NULL`;

const COMPLETE = `
UPDATE verification.tenant_erasures
SET completed_at = clock_timestamp()
WHERE tenant = $1`;

/** Numbers, credentials and keys are removed by their foreign keys. $1 tenant, $2 rows */
const ERASE_SUBJECTS = `
DELETE FROM verification.subjects
WHERE tenant = $1 AND subject_id = ANY (ARRAY(
  SELECT subject_id
  FROM verification.subjects
  WHERE tenant = $1
  ORDER BY subject_id COLLATE "C"
  LIMIT $2
  FOR UPDATE
))
RETURNING subject_id, clock_timestamp() AS now`;

/** $1 tenant, $2 key before the first one, $3 rows */
const FIND_COUNTERS = `
SELECT counter_key
FROM verification.attempt_counters
WHERE tenant = $1 AND counter_key > $2
ORDER BY counter_key
LIMIT $3`;

type Erasure = Pick<TenantDeletionStarted, 'tenant' | 'createdAt' | 'actor'>;

/** Erases all subjects of a tenant in PostgreSQL, in short transactions. After a crash, the next call continues. */
export class PostgresTenantErasure {
  readonly #outbox: Outbox;
  /** The last counter that was reset, by tenant. Lost in a crash: resetting a counter again changes nothing. */
  readonly #lastCounter = new Map<string, string>();

  constructor(
    private readonly database: Database,
    /** Of IDENTIFIER_KEY: names in events. */
    private readonly hash: KeyedHash,
    private readonly wakeRelay: () => void,
  ) {
    this.#outbox = new Outbox(database);
  }

  /**
   * Erases a part of a tenant: its subjects with one event each, then the state of its attempt counters, so that a tenant that is
   * created again under the id inherits nothing. The counts and the ledger stay, because the audit log is compared with them.
   * @returns whether nothing remains
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async erase({ tenant, createdAt, actor }: Erasure): Promise<boolean> {
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const isComplete = await this.database.forTenants([tenant]).transaction(async (tx) => {
        // Waits for transactions that create a subject. Those that begin later see the row of the erasure.
        await lockTenant(tx, tenant, 'exclusive');
        await tx.query(BEGIN, [tenant, createdAt]);
        if ((await tx.query(IS_COMPLETE, [tenant])).length > 0) return true;
        if ((await this.#eraseSubjects(tx, tenant, actor)) > 0 || (await this.#resetCounters(tx, tenant)) > 0)
          return false;
        await tx.query(COMPLETE, [tenant]);
        return true;
      });
      this.wakeRelay();
      if (!isComplete) continue;
      this.#lastCounter.delete(tenant);
      return true;
    }
    return false;
  }

  /** Continues every erasure that was begun and that the directory does not name any more. @param named by the directory */
  async continueUnnamed(named: readonly string[]): Promise<void> {
    const database = this.database.forAllTenants();
    const unfinished = await database.query<{ tenant: string; tenant_created_at: Date }>(FIND_UNFINISHED);
    for (const { tenant, tenant_created_at } of unfinished.filter((row) => !named.includes(row.tenant)))
      await this.erase({ tenant, createdAt: tenant_created_at.toISOString() });
  }

  async #eraseSubjects(tx: Sql, tenant: string, actor: Actor | undefined): Promise<number> {
    const erased = await tx.query<{ subject_id: string; now: Date }>(ERASE_SUBJECTS, [tenant, BATCH]);
    if (erased.length === 0) return 0;
    await tx.query(END_VERSIONS, [tenant, erased.map((row) => row.subject_id)]);
    const messages = erased.map(({ subject_id: subject, now }) => {
      const subjectKey = this.hash.subjectKey(tenant, 'id', subject);
      const fields = { tenant, subject, subjectKey, ...(actor && { actor }), detail: { withTenant: true } };
      const fact = factRecorded('subject.erased', now, fields);
      return encodeMessage(fact.factId, fact, traceHeaders());
    });
    await this.#outbox.add(tx, messages);
    return erased.length;
  }

  async #resetCounters(tx: Sql, tenant: string): Promise<number> {
    const after = this.#lastCounter.get(tenant) ?? '';
    const rows = await tx.query<{ counter_key: string }>(FIND_COUNTERS, [tenant, after, BATCH]);
    const keys = rows.map((row) => row.counter_key);
    const last = keys.at(-1);
    if (last === undefined) return 0;
    await tx.query(RESET_FOR_NEW_TENANT, [tenant, keys]);
    await tx.query(REMOVE_RECOGNIZED_CALLERS, [tenant, keys]);
    this.#lastCounter.set(tenant, last);
    return keys.length;
  }
}

/** Creating a subject shares the lock of its tenant; an erasure has it alone. Both hold it until they commit. */
export async function lockTenant(tx: Sql, tenant: string, mode: 'shared' | 'exclusive'): Promise<void> {
  const lock = mode === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock';
  await tx.query(`SELECT ${lock}(hashtextextended($1, 0))`, [`tenant:${tenant}`]);
}

/**
 * Whether a subject may be created for a tenant: not while it is erased, and afterwards only for a new tenant of the id. The lock
 * of the tenant must be held.
 * @param createdAt of the tenant, as this process knows it; undefined: it knows no such tenant
 */
export async function mayCreateSubjects(tx: Sql, tenant: string, createdAt: string | undefined): Promise<boolean> {
  const erasures = await tx.query(
    `SELECT
     FROM verification.tenant_erasures
     WHERE tenant = $1
       AND (completed_at IS NULL OR $2::timestamptz IS NULL OR tenant_created_at = $2::timestamptz)`,
    [tenant, createdAt ?? null],
  );
  return erasures.length === 0;
}
