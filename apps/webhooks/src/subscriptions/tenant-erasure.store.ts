import { type TenantDeletionStarted } from '@countersign/contracts';
import { type Database, type Sql } from '@countersign/persistence';

/** Rows of one transaction. */
const BATCH = 1000;
/** Transactions of one call, so that a service that stops does not wait for a large tenant. */
const MAX_BATCHES = 10;

/** Another tenant of this id was deleted before: its erasure is complete, because the directory waits for it. $1 tenant, $2 time of its creation */
const BEGIN = `
INSERT INTO webhooks.tenant_erasures AS known (tenant, tenant_created_at) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE
  SET tenant_created_at = EXCLUDED.tenant_created_at, started_at = clock_timestamp(), completed_at = NULL
  WHERE known.tenant_created_at <> EXCLUDED.tenant_created_at`;

/** Locks the webhooks before their queues, as everywhere. Not an update: that would not keep events from being queued. */
const LOCK = 'SELECT FROM webhooks.webhooks WHERE tenant = $1 ORDER BY webhook FOR UPDATE';

/** Nothing more is queued or sent. */
const DISABLE = `
UPDATE webhooks.webhooks
SET disabled_at = coalesce(disabled_at, clock_timestamp()), disabled_reason = coalesce(disabled_reason, 'operator')
WHERE tenant = $1`;

const OF_TENANT = 'webhook IN (SELECT webhook FROM webhooks.webhooks WHERE tenant = $1)';

const ERASE_DELIVERIES = `
DELETE FROM webhooks.webhook_deliveries WHERE delivery IN (
  SELECT delivery FROM webhooks.webhook_deliveries WHERE ${OF_TENANT} LIMIT ${BATCH})
RETURNING 1`;

const ERASE_EVENTS = `
DELETE FROM webhooks.webhook_events WHERE event_id IN (
  SELECT event_id FROM webhooks.webhook_events WHERE tenant = $1 LIMIT ${BATCH})
RETURNING 1`;

/** Erases all webhooks of a tenant in PostgreSQL, in short transactions. After a crash, the next call continues. */
export class PostgresWebhooksErasure {
  constructor(private readonly database: Database) {}

  /**
   * Erases a part of a tenant: its deliveries, its webhooks, and the events that were queued for them.
   * @returns whether nothing remains
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async erase({ tenant, createdAt }: TenantDeletionStarted): Promise<boolean> {
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const isComplete = await this.database.forTenants([tenant]).transaction(async (tx) => {
        await lockWebhooksOf(tx, tenant);
        await tx.query(BEGIN, [tenant, createdAt]);
        const found = 'SELECT FROM webhooks.tenant_erasures WHERE tenant = $1 AND completed_at IS NOT NULL';
        if ((await tx.query(found, [tenant])).length > 0) return true;
        await tx.query(LOCK, [tenant]);
        await tx.query(DISABLE, [tenant]);
        await tx.query(`DELETE FROM webhooks.delivery_queues WHERE ${OF_TENANT}`, [tenant]);
        if ((await tx.query(ERASE_DELIVERIES, [tenant])).length > 0) return false;
        // An event that is queued at this moment fails on the foreign key, with everything that its statement wrote.
        await tx.query('DELETE FROM webhooks.webhooks WHERE tenant = $1', [tenant]);
        if ((await tx.query(ERASE_EVENTS, [tenant])).length > 0) return false;
        await tx.query('UPDATE webhooks.tenant_erasures SET completed_at = clock_timestamp() WHERE tenant = $1', [
          tenant,
        ]);
        return true;
      });
      if (isComplete) return true;
    }
    return false;
  }
}

/** Locks the webhooks of a tenant, also those that do not exist yet, until the transaction ends. */
export async function lockWebhooksOf(tx: Sql, tenant: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`webhooks:${tenant}`]);
}

/** The time of creation of the tenant of this id that was erased last, ISO 8601; undefined: none was. */
export async function erasedTenantOf(tx: Sql, tenant: string): Promise<string | undefined> {
  const [erasure] = await tx.query<{ createdAt: Date }>(
    'SELECT tenant_created_at AS "createdAt" FROM webhooks.tenant_erasures WHERE tenant = $1',
    [tenant],
  );
  return erasure?.createdAt.toISOString();
}
