import { Injectable } from '@nestjs/common';
import { Batched, Database, purgeByIndex } from '@countersign/persistence';
import { EventIntake, type WebhookEvent } from './deliveries.ports.js';

/** Most events of one statement. */
const MAX_BATCH_SIZE = 500;
/** How long an event waits for others to share its statement, in milliseconds, and how many do not wait. Nobody waits for a webhook. */
const BATCH_LINGER_MS = 20;
const FULL_SIZE = 128;

/**
 * Queues events. Locks the webhooks, then the queues that exist, so that no copy removes one in between, in one order, so that
 * two batches never wait for each other, nor a batch and a deletion. An event before the creation of a webhook can be one of a deleted tenant that had the same id, so it is
 * not queued. Returns whether anything was queued.
 */
const RECORD = `
WITH batch AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
    WITH ORDINALITY AS b(event_id, tenant, kind, queue, body, time, position)
), wanted AS (
  SELECT b.*, w.webhook FROM batch b JOIN webhooks.webhooks w USING (tenant)
  WHERE w.disabled_at IS NULL AND w.created_at <= b.time AND w.event_types && ARRAY['*', b.kind]
  FOR KEY SHARE OF w
), event AS (
  INSERT INTO webhooks.webhook_events (event_id, tenant, type, body)
  SELECT DISTINCT event_id, tenant, 'countersign.' || kind || '.v1', body FROM wanted
  ON CONFLICT (event_id) DO NOTHING
), delivery AS (
  INSERT INTO webhooks.webhook_deliveries (tenant, webhook, queue, event_id)
  SELECT tenant, webhook, queue, event_id FROM wanted ORDER BY position
  ON CONFLICT (webhook, event_id) DO NOTHING
  RETURNING tenant, webhook, queue
)
INSERT INTO webhooks.delivery_queues AS q (webhook, queue, tenant)
SELECT DISTINCT webhook, queue, tenant FROM delivery ORDER BY webhook, queue
ON CONFLICT (webhook, queue) DO UPDATE SET tenant = EXCLUDED.tenant
RETURNING 1`;

const SUBSCRIBED_TENANTS = `SELECT DISTINCT tenant FROM webhooks.webhooks WHERE tenant = ANY ($1) AND disabled_at IS NULL`;

/**
 * The webhooks that existed when the tenant was deleted. They are erased before, except when a forged report removed the tenant
 * early. A tenant of the same id can have been created since.
 */
const DELETE_TENANT = 'DELETE FROM webhooks.webhooks WHERE tenant = $1 AND created_at <= $2';

/** Those without a delivery: a tenant that has been created since has others. $1 tenant, $2 rows */
const DELETE_EVENTS = `
DELETE FROM webhooks.webhook_events
WHERE event_id = ANY (ARRAY(
  SELECT event_id
  FROM webhooks.webhook_events event
  WHERE tenant = $1
    AND (SELECT true FROM webhooks.webhook_deliveries delivery WHERE delivery.event_id = event.event_id LIMIT 1) IS NULL
  LIMIT $2
))
RETURNING 1`;
const DELETE_BATCH = 1_000;

/** Queues events in PostgreSQL, many with one statement. */
@Injectable()
export class PostgresEventIntake extends EventIntake {
  /** Most installations have few tenants with a webhook, and every event passes here. */
  readonly #isSubscribed: Batched<string, boolean>;
  readonly #record: Batched<WebhookEvent, void>;

  constructor(
    private readonly database: Database,
    private readonly onDue: () => void,
  ) {
    super();
    const shared = { size: MAX_BATCH_SIZE, fullSize: FULL_SIZE, concurrency: 1, expectsMore: () => true };
    this.#isSubscribed = new Batched({
      ...shared,
      lingerMs: () => BATCH_LINGER_MS,
      run: (tenants) => this.#areSubscribed(tenants),
    });
    this.#record = new Batched({
      ...shared,
      // It has waited.
      lingerMs: () => 0,
      rows: ({ eventId, queue }) => [eventId, queue],
      run: (events) => this.#insert(events),
    });
  }

  override async record(event: WebhookEvent): Promise<void> {
    if (event.kind === 'tenant.deleted') {
      const database = this.database.forTenants([event.tenant]);
      await database.query(DELETE_TENANT, [event.tenant, event.time]);
      await purgeByIndex(database, DELETE_EVENTS, [event.tenant], DELETE_BATCH);
      return;
    }
    if (await this.#isSubscribed.call(event.tenant)) await this.#record.call(event);
  }

  async #insert(events: readonly WebhookEvent[]): Promise<void[]> {
    const database = this.database.forTenants(events.map(({ tenant }) => tenant));
    const queued = await database.prepared('webhooks.record', RECORD, [
      ...[events.map(({ eventId }) => eventId), events.map(({ tenant }) => tenant), events.map(({ kind }) => kind)],
      ...[events.map(({ queue }) => queue), events.map((event) => event.body()), events.map(({ time }) => time)],
    ]);
    if (queued.length > 0) this.onDue();
    return events.map(() => undefined);
  }

  async #areSubscribed(tenants: readonly string[]): Promise<boolean[]> {
    const rows = await this.database
      .forAllTenants()
      .prepared<{ tenant: string }>('webhooks.tenants', SUBSCRIBED_TENANTS, [[...new Set(tenants)]]);
    const subscribed = new Set(rows.map(({ tenant }) => tenant));
    return tenants.map((tenant) => subscribed.has(tenant));
  }
}
