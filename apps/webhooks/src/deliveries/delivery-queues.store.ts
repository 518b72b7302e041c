import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { encodeMessage, factRecorded } from '@countersign/contracts';
import {
  Database,
  databaseTime,
  Outbox,
  OutboxRelay,
  purgeByIndex,
  type Sql,
  type TenantDatabase,
} from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { inForce } from '../subscriptions/signing-secrets.decision.js';
import { SecretVault, type BoundWebhook } from '../subscriptions/secret-vault.js';
import { DeliveryQueues, type DueQueue, type LeasedDelivery, type LoggedAttempt } from './deliveries.ports.js';
import { type NextStep } from './retry.decision.js';

/** Most due queues that are read at a time. */
const MAX_DUE = 1000;
/** Attempts that the log of one delivery keeps. */
const MAX_LOGGED_ATTEMPTS = 50;
/** Rows deleted by one statement of the purge. */
const PURGE_BATCH = 5000;
/**
 * When a webhook succeeds after this many failures in a row, its receiver was down and is back: what waits is due at once. After
 * fewer, single deliveries failed, and their pauses stay.
 */
const FAILURES_OF_OUTAGE = 5;

/**
 * The first queues of every tenant come first, and of those the first queue of each webhook. In the order of time alone, the
 * queues of webhooks that fail would hide all others when there are more than {@link MAX_DUE} of them.
 */
const DUE = `
SELECT tenant, webhook, queue, url, failures
FROM (
  SELECT w.tenant, w.webhook, q.queue, w.url, w.failures, q.due_at,
    row_number() OVER (PARTITION BY w.tenant ORDER BY q.place, q.due_at) AS turn
  FROM webhooks.webhooks w CROSS JOIN LATERAL (
    SELECT queue, due_at, row_number() OVER (ORDER BY due_at) AS place FROM webhooks.delivery_queues q
    WHERE q.webhook = w.webhook AND q.due_at <= statement_timestamp()
      AND (q.leased_until IS NULL OR q.leased_until < statement_timestamp())
      AND (w.disabled_at IS NULL OR q.is_test)
    ORDER BY q.due_at LIMIT $1
  ) q
  WHERE w.held_until IS NULL OR w.held_until <= statement_timestamp()
) due
ORDER BY turn, due_at LIMIT ${MAX_DUE}`;

/** A subquery for each queue: a join of small tables could read all queues that are due. */
const LEASE = `
WITH free AS (
  SELECT q.webhook, q.queue
  FROM unnest($1::uuid[], $2::text[]) AS named(webhook, queue)
  CROSS JOIN LATERAL (
    SELECT webhook, queue
    FROM webhooks.delivery_queues one
    WHERE one.webhook = named.webhook AND one.queue = named.queue
      AND due_at <= statement_timestamp() AND (leased_until IS NULL OR leased_until < statement_timestamp())
    FOR UPDATE SKIP LOCKED
  ) q
)
UPDATE webhooks.delivery_queues q
SET lease = $3, leased_until = clock_timestamp() + make_interval(secs => $4)
FROM free WHERE (q.webhook, q.queue) = (free.webhook, free.queue)
RETURNING q.webhook, q.queue`;

/**
 * Separate from {@link LEASE}: its snapshot must be younger than the lease, or it could show a delivery as pending that another copy
 * has just sent. Subqueries, because the plan of a join, made while the tables were empty, could read an index from end to end.
 */
const FIRST_OF_LEASED = `
SELECT q.tenant, q.webhook, q.queue, q.is_test AS "isTest", w.url, w.event_types AS "eventTypes", w.key_id AS "keyId",
  w.secrets AS bytes, d.delivery, d.event_id AS "eventId", e.body, d.attempt_count AS attempts,
  coalesce(extract(epoch FROM statement_timestamp() - d.first_attempt_at), 0)::float8 AS "secondsSinceFirst",
  extract(epoch FROM statement_timestamp() - w.failing_since)::float8 AS "failingSeconds",
  statement_timestamp() AS now
FROM unnest($2::uuid[], $3::text[]) AS named(webhook, queue)
CROSS JOIN LATERAL (
  SELECT * FROM webhooks.delivery_queues q
  WHERE q.webhook = named.webhook AND q.queue = named.queue AND q.lease = $1 LIMIT 1
) q
CROSS JOIN LATERAL (SELECT * FROM webhooks.webhooks w WHERE w.webhook = q.webhook LIMIT 1) w
LEFT JOIN LATERAL (
  SELECT * FROM webhooks.webhook_deliveries d
  WHERE d.webhook = q.webhook AND d.queue = q.queue AND d.state = 'pending' ORDER BY d.seq LIMIT 1
) d ON true
LEFT JOIN LATERAL (SELECT body FROM webhooks.webhook_events e WHERE e.event_id = d.event_id LIMIT 1) e ON true`;

const LOG_ATTEMPT = `
UPDATE webhooks.webhook_deliveries SET
  state = $2, attempt_count = attempt_count + 1, first_attempt_at = coalesce(first_attempt_at, $3::timestamptz),
  finished_at = CASE WHEN $2 <> 'pending' THEN clock_timestamp() END,
  attempts = (CASE WHEN jsonb_array_length(attempts) >= ${MAX_LOGGED_ATTEMPTS} THEN attempts - 0 ELSE attempts END) || $4::jsonb
WHERE delivery = $1`;

/** $1 days, $2 rows */
const PURGE_DELIVERIES = `
DELETE FROM webhooks.webhook_deliveries
WHERE delivery = ANY (ARRAY(
  SELECT delivery
  FROM webhooks.webhook_deliveries
  WHERE created_at < statement_timestamp() - make_interval(days => $1)
  ORDER BY created_at
  LIMIT $2
))
RETURNING 1`;

/**
 * Events are as old as their deliveries. Younger ones without a delivery, of webhooks that were removed, stay until then:
 * otherwise each purge would look for the deliveries of all events. $1 days, $2 rows
 */
const PURGE_EVENTS = `
DELETE FROM webhooks.webhook_events
WHERE event_id = ANY (ARRAY(
  SELECT event_id
  FROM webhooks.webhook_events event
  WHERE recorded_at < statement_timestamp() - make_interval(days => $1)
    AND (SELECT true FROM webhooks.webhook_deliveries delivery WHERE delivery.event_id = event.event_id LIMIT 1) IS NULL
  ORDER BY recorded_at
  LIMIT $2
))
RETURNING 1`;

/** Removes the oldest pending deliveries of a webhook when it has more than $2. */
const DROP_EXCESS = `
DELETE FROM webhooks.webhook_deliveries WHERE delivery IN (
  SELECT delivery FROM webhooks.webhook_deliveries
  WHERE webhook = $1 AND state = 'pending' AND seq <= (
    SELECT seq FROM webhooks.webhook_deliveries
    WHERE webhook = $1 AND state = 'pending' ORDER BY seq DESC OFFSET $2 LIMIT 1)
  LIMIT ${PURGE_BATCH}) RETURNING 1`;

/** Locks the webhook, and so orders the counts of its attempts. A success of a webhook without failures writes nothing. */
const COUNT_SUCCESS = `
WITH before AS (SELECT failures FROM webhooks.webhooks WHERE webhook = $1 AND failures > 0 FOR UPDATE)
UPDATE webhooks.webhooks SET failures = 0, failing_since = NULL, held_until = NULL
FROM before WHERE webhook = $1 RETURNING before.failures`;

const COUNT_FAILURE = `
UPDATE webhooks.webhooks w SET
  failures = w.failures + 1, failing_since = coalesce(w.failing_since, $2::timestamptz),
  held_until = CASE WHEN $3 > 0 THEN greatest(w.held_until, clock_timestamp() + make_interval(secs => $3)) ELSE w.held_until END
WHERE w.webhook = $1`;

interface LeasedRow extends BoundWebhook {
  readonly queue: string;
  readonly isTest: boolean;
  readonly keyId: string;
  readonly bytes: Buffer;
  /** Null when the queue is empty, with everything of the delivery. */
  readonly delivery: string | null;
  readonly eventId: string;
  readonly body: Buffer;
  readonly attempts: number;
  readonly secondsSinceFirst: number;
  readonly failingSeconds: number | null;
  readonly now: Date;
}

/** The queues in PostgreSQL. */
@Injectable()
export class PostgresDeliveryQueues extends DeliveryQueues {
  readonly #all: TenantDatabase;
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly relay: OutboxRelay,
    private readonly vault: SecretVault,
  ) {
    super();
    this.#all = database.forAllTenants();
    this.#outbox = new Outbox(database);
  }

  override due(perWebhook: number): Promise<DueQueue[]> {
    return this.#all.prepared<DueQueue>('webhooks.due', DUE, [perWebhook]);
  }

  override async lease(queues: readonly DueQueue[], seconds: number): Promise<LeasedDelivery[]> {
    const lease = randomUUID();
    const names = [queues.map(({ webhook }) => webhook), queues.map(({ queue }) => queue)];
    await this.#all.prepared('webhooks.lease', LEASE, [...names, lease, seconds]);
    const rows = await this.#all.prepared<LeasedRow>('webhooks.first_of_leased', FIRST_OF_LEASED, [lease, ...names]);
    const empty = rows.filter(({ delivery }) => delivery === null);
    for (const { tenant, webhook, queue } of empty) {
      await this.database.forTenants([tenant]).transaction(async (tx) => {
        if (await lockLease(tx, { webhook, queue, lease })) await endLease(tx, { webhook, queue, lease }, 0);
      });
    }
    return rows.flatMap((row) => (row.delivery === null ? [] : [this.#leased(row, row.delivery, lease)]));
  }

  override async complete(leased: LeasedDelivery, attempt: LoggedAttempt, next: NextStep): Promise<boolean> {
    const { tenant, webhook, delivery, isTest } = leased;
    const completed = this.database.forTenants([tenant]).transaction(async (tx) => {
      // The webhook is locked before the queue, as by its deletion.
      const ended = isTest ? 0 : await this.#count(tx, leased, attempt, next);
      if (!(await lockLease(tx, leased))) throw new LeaseLost();
      await tx.prepared('webhooks.log_attempt', LOG_ATTEMPT, [
        delivery,
        next.state,
        attempt.at,
        JSON.stringify([attempt]),
      ]);
      await endLease(tx, leased, next.state === 'pending' ? next.pauseSeconds : 0);
      if (next.disables !== undefined) await this.#disable(tx, leased, next.disables);
      if (ended >= FAILURES_OF_OUTAGE) {
        await tx.query(
          'UPDATE webhooks.delivery_queues SET due_at = clock_timestamp() WHERE webhook = $1 AND due_at > clock_timestamp()',
          [webhook],
        );
      }
    });
    try {
      await completed;
    } catch (error) {
      if (error instanceof LeaseLost) return false;
      throw error;
    }
    if (next.disables !== undefined) this.relay.wake();
    return true;
  }

  override async purge(retentionDays: number, maxPending: number): Promise<number> {
    const webhooks = await this.#all.query<{ webhook: string }>('SELECT webhook FROM webhooks.webhooks');
    let dropped = 0;
    for (const { webhook } of webhooks) dropped += await this.#dropExcess(webhook, maxPending);
    for (const statement of [PURGE_DELIVERIES, PURGE_EVENTS])
      await purgeByIndex(this.#all, statement, [retentionDays], PURGE_BATCH);
    return dropped;
  }

  async #dropExcess(webhook: string, maxPending: number): Promise<number> {
    let dropped = 0;
    for (let batch = PURGE_BATCH; batch === PURGE_BATCH; dropped += batch) {
      const deleted = await this.#all.query(DROP_EXCESS, [webhook, maxPending]);
      batch = deleted.length;
    }
    return dropped;
  }

  override async backlog(): Promise<{ readonly pending: number; readonly oldestSeconds: number }> {
    const [row] = await this.#all.query<{ pending: number; oldest: number }>(
      `SELECT count(*)::int AS pending, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest
       FROM (SELECT d.created_at FROM webhooks.webhook_deliveries d JOIN webhooks.webhooks w USING (webhook)
             WHERE d.state = 'pending' AND w.disabled_at IS NULL LIMIT 100000) d`,
    );
    return { pending: row?.pending ?? 0, oldestSeconds: row?.oldest ?? 0 };
  }

  /** @returns the number of consecutive failures that a success has ended */
  async #count(tx: Sql, { webhook }: LeasedDelivery, { at }: LoggedAttempt, next: NextStep): Promise<number> {
    if (next.state === 'delivered') {
      const [ended] = await tx.prepared<{ failures: number }>('webhooks.count_success', COUNT_SUCCESS, [webhook]);
      return ended?.failures ?? 0;
    }
    await tx.prepared('webhooks.count_failure', COUNT_FAILURE, [webhook, at, next.holdSeconds]);
    return 0;
  }

  async #disable(tx: Sql, { webhook, tenant }: LeasedDelivery, reason: 'gone' | 'failing'): Promise<void> {
    const disabled = await tx.query(
      `UPDATE webhooks.webhooks SET disabled_at = clock_timestamp(), disabled_reason = $2
       WHERE webhook = $1 AND disabled_at IS NULL RETURNING 1`,
      [webhook, reason],
    );
    if (disabled.length === 0) return;
    const fact = factRecorded('webhook.disabled', await databaseTime(tx), { tenant, detail: { webhook, reason } });
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact)]);
  }

  #leased(row: LeasedRow, delivery: string, lease: string): LeasedDelivery {
    const { tenant, webhook, queue, eventId, body, url, isTest, attempts, secondsSinceFirst, failingSeconds, now } =
      row;
    return {
      ...{ lease, tenant, webhook, queue, delivery, eventId, body, url, isTest, attempts, secondsSinceFirst, now },
      secrets: this.#secretsOf(row),
      failingSeconds: failingSeconds ?? undefined,
    };
  }

  #secretsOf(row: LeasedRow): string[] | undefined {
    try {
      return inForce(this.vault.unwrap(row, row), row.now).map(({ value }) => value);
    } catch (error) {
      if (error instanceof ServiceError) return undefined;
      throw error;
    }
  }
}

/** Rolls back: the copy that has the lease now counts its own attempt. */
class LeaseLost extends Error {}

interface LeasedQueue {
  readonly webhook: string;
  readonly queue: string;
  readonly lease: string;
}

/** Locks a leased queue. @returns false when the lease was lost */
async function lockLease(tx: Sql, { webhook, queue, lease }: LeasedQueue): Promise<boolean> {
  const held = await tx.prepared(
    'webhooks.lock_lease',
    'SELECT 1 FROM webhooks.delivery_queues WHERE webhook = $1 AND queue = $2 AND lease = $3 FOR UPDATE',
    [webhook, queue, lease],
  );
  return held.length > 0;
}

/**
 * Ends the lease of a locked queue. Removes the queue when nothing is pending in it: a delivery that is queued meanwhile waits for
 * the lock and makes the queue anew.
 */
async function endLease(tx: Sql, { webhook, queue }: LeasedQueue, pauseSeconds: number): Promise<void> {
  const kept = await tx.prepared(
    'webhooks.end_lease',
    `UPDATE webhooks.delivery_queues
     SET lease = NULL, leased_until = NULL, due_at = clock_timestamp() + make_interval(secs => $3::float8)
     WHERE webhook = $1 AND queue = $2 AND EXISTS (
       SELECT FROM webhooks.webhook_deliveries d WHERE d.webhook = $1 AND d.queue = $2 AND d.state = 'pending')
     RETURNING 1`,
    [webhook, queue, pauseSeconds],
  );
  if (kept.length > 0) return;
  await tx.prepared('webhooks.remove_queue', 'DELETE FROM webhooks.delivery_queues WHERE webhook = $1 AND queue = $2', [
    webhook,
    queue,
  ]);
}
