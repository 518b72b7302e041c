import { Injectable } from '@nestjs/common';
import { encodeMessage, factRecorded, WEBHOOK_TEST_KIND, type FactKind } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import {
  Database,
  databaseTime,
  Inbox,
  Outbox,
  OutboxRelay,
  type Sql,
  type Transaction,
} from '@countersign/persistence';
import { type DeliveryRecord } from '../deliveries/deliveries.ports.js';
import { SecretVault } from './secret-vault.js';
import { type SigningSecret } from './signing-secrets.decision.js';
import {
  WebhookStore,
  type DeliveryPageQuery,
  type SecretReply,
  type WebhookChange,
  type WebhookCommandFields,
  type WebhookPageQuery,
  type WebhookRecord,
  type WebhookSnapshot,
} from './subscriptions.ports.js';
import { erasedTenantOf, lockWebhooksOf } from './tenant-erasure.store.js';

/** A row of webhooks. */
interface WebhookRow extends WebhookRecord {
  readonly keyId: string;
  readonly bytes: Buffer;
  /** Null: the webhook was created before these columns. */
  readonly replyCommand: string | null;
  readonly replySecret: string | null;
}

const COLUMNS = `webhook, tenant, url, event_types AS "eventTypes", description, created_at AS "createdAt",
  disabled_at AS "disabledAt", disabled_reason AS "disabledReason", failing_since AS "failingSince",
  key_id AS "keyId", secrets AS bytes, reply_command AS "replyCommand", reply_secret AS "replySecret"`;

/** An enabled webhook starts without failures, and at once. */
const SAVE = `INSERT INTO webhooks.webhooks AS w
    (webhook, tenant, url, event_types, description, created_at, disabled_at, disabled_reason, key_id, secrets,
     reply_command, reply_secret)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
  ON CONFLICT (webhook) DO UPDATE SET
    url = EXCLUDED.url, event_types = EXCLUDED.event_types, description = EXCLUDED.description,
    disabled_at = EXCLUDED.disabled_at, disabled_reason = EXCLUDED.disabled_reason,
    key_id = EXCLUDED.key_id, secrets = EXCLUDED.secrets,
    reply_command = EXCLUDED.reply_command, reply_secret = EXCLUDED.reply_secret,
    failures = CASE WHEN w.disabled_at IS NOT NULL AND EXCLUDED.disabled_at IS NULL THEN 0 ELSE w.failures END,
    failing_since = CASE WHEN w.disabled_at IS NOT NULL AND EXCLUDED.disabled_at IS NULL THEN NULL ELSE w.failing_since END,
    held_until = CASE WHEN w.disabled_at IS NOT NULL AND EXCLUDED.disabled_at IS NULL THEN NULL ELSE w.held_until END`;

const DELIVERIES = `SELECT d.delivery, d.seq::text AS seq, d.event_id AS "eventId", e.type, d.state, d.attempts,
    d.created_at AS "createdAt", d.finished_at AS "finishedAt",
    CASE WHEN d.state = 'pending' THEN q.due_at END AS "nextAttemptAt"
  FROM webhooks.webhook_deliveries d
  JOIN webhooks.webhook_events e USING (event_id)
  LEFT JOIN webhooks.delivery_queues q ON (q.webhook, q.queue) = (d.webhook, d.queue)`;

/** Makes the queue of a delivery due now, unless it is leased. Locks it, so that no copy removes it in between. */
const MAKE_DUE = `INSERT INTO webhooks.delivery_queues AS q (webhook, queue, tenant, is_test)
  VALUES ($1, $2, $3, $4)
  ON CONFLICT (webhook, queue) DO UPDATE SET due_at = least(q.due_at, EXCLUDED.due_at)`;

/** Consumer name of the commands in the inbox. */
const COMMANDS = 'webhook-commands';

/** Webhooks in PostgreSQL. */
@Injectable()
export class PostgresWebhookStore extends WebhookStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly relay: OutboxRelay,
    private readonly vault: SecretVault,
    /** Called when a delivery became due. */
    private readonly onDue: () => void,
  ) {
    super();
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
  }

  override async change(
    command: WebhookCommandFields,
    decide: (snapshot: WebhookSnapshot) => WebhookChange | undefined,
  ): Promise<'changed' | 'unchanged' | 'repeated'> {
    const { commandId, tenant, webhook } = command;
    const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
      // For the number of webhooks, which no row holds, and for the erasure of the tenant.
      await lockWebhooksOf(tx, tenant);
      if (!(await this.#inbox.claim(tx, COMMANDS, commandId))) return 'repeated';
      const [row] = await tx.query<WebhookRow>(
        `SELECT ${COLUMNS} FROM webhooks.webhooks WHERE tenant = $1 AND webhook = $2 FOR UPDATE`,
        [tenant, webhook],
      );
      const [counted] = await tx.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM webhooks.webhooks WHERE tenant = $1',
        [tenant],
      );
      const now = await databaseTime(tx);
      const secrets = (): SigningSecret[] => (row ? this.#secretsOf(row) : []);
      const erasedTenant = await erasedTenantOf(tx, tenant);
      const change = decide({ webhook: row && recordOf(row), count: counted?.count ?? 0, erasedTenant, now, secrets });
      if (!change) {
        // A redelivered command that changes nothing is decided again, and so gets the same answer.
        await tx.query('DELETE FROM webhooks.inbox WHERE consumer = $1 AND message_id = $2', [COMMANDS, commandId]);
        return 'unchanged';
      }
      if (change.save) await this.#save(tx, commandId, change.save, row);
      if (change.deletes) await deleteWebhook(tx, tenant, webhook);
      await this.#record(tx, command, change.fact.kind, change.fact.detail, now);
      return 'changed';
    });
    this.relay.wake();
    this.onDue();
    return result;
  }

  override async find(
    tenant: string,
    webhook: string,
  ): Promise<{ readonly webhook: WebhookRecord; readonly reply: SecretReply | undefined } | undefined> {
    const [row] = await this.database
      .forTenants([tenant])
      .query<WebhookRow>(`SELECT ${COLUMNS} FROM webhooks.webhooks WHERE tenant = $1 AND webhook = $2`, [
        tenant,
        webhook,
      ]);
    if (row === undefined) return undefined;
    const { replyCommand: commandId, replySecret: sealedSecret } = row;
    const reply = commandId === null || sealedSecret === null ? undefined : { commandId, sealedSecret };
    return { webhook: recordOf(row), reply };
  }

  override async list(tenant: string, { limit, after, state }: WebhookPageQuery): Promise<WebhookRecord[]> {
    const rows = await this.database.forTenants([tenant]).query<WebhookRow>(
      `SELECT ${COLUMNS} FROM webhooks.webhooks
       WHERE tenant = $1 AND ($2::uuid IS NULL OR webhook > $2::uuid)
         AND ($3::text IS NULL OR (disabled_at IS NULL) = ($3 = 'enabled'))
       ORDER BY webhook LIMIT $4`,
      [tenant, after ?? null, state ?? null, limit],
    );
    return rows.map(recordOf);
  }

  override async deliveries(
    tenant: string,
    webhook: string,
    { limit, before, state }: DeliveryPageQuery,
  ): Promise<DeliveryRecord[] | undefined> {
    if ((await this.find(tenant, webhook)) === undefined) return undefined;
    return this.database.forTenants([tenant]).query<DeliveryRecord>(
      `${DELIVERIES}
       WHERE d.webhook = $1 AND ($2::bigint IS NULL OR d.seq < $2::bigint) AND ($3::text IS NULL OR d.state = $3)
       ORDER BY d.seq DESC LIMIT $4`,
      [webhook, before ?? null, state ?? null, limit],
    );
  }

  override async replay(command: WebhookCommandFields, delivery: string): Promise<DeliveryRecord | undefined> {
    const { commandId, tenant, webhook } = command;
    const found = await this.database.forTenants([tenant]).transaction(async (tx) => {
      const isFirst = await this.#inbox.claim(tx, COMMANDS, commandId);
      // The webhook first, as everywhere, so that two transactions never wait for each other.
      await tx.query('SELECT FROM webhooks.webhooks WHERE tenant = $1 AND webhook = $2 FOR KEY SHARE', [
        tenant,
        webhook,
      ]);
      const [known] = await tx.query<{ queue: string; type: string }>(
        `SELECT d.queue, e.type FROM webhooks.webhook_deliveries d JOIN webhooks.webhook_events e USING (event_id)
         WHERE d.webhook = $1 AND d.delivery = $2`,
        [webhook, delivery],
      );
      if (known === undefined) return undefined;
      if (isFirst) {
        await tx.query(MAKE_DUE, [webhook, known.queue, tenant, known.type === TEST_TYPE]);
        await tx.query(
          `UPDATE webhooks.webhook_deliveries
           SET state = 'pending', attempt_count = 0, first_attempt_at = NULL, finished_at = NULL WHERE delivery = $1`,
          [delivery],
        );
        const detail = { webhook, delivery };
        await this.#record(tx, command, 'webhook.replayed', detail, await databaseTime(tx));
      }
      return readDelivery(tx, webhook, delivery);
    });
    this.relay.wake();
    this.onDue();
    return found;
  }

  override async queueTest(
    { commandId, tenant, webhook }: WebhookCommandFields,
    { eventId, body }: { readonly eventId: string; readonly body: Buffer },
  ): Promise<DeliveryRecord | undefined> {
    // A queue of its own: a test waits for no event. The name also lets a repeated command find what it queued.
    const queue = `test:${commandId}`;
    const found = await this.database.forTenants([tenant]).transaction(async (tx) => {
      const locked = await tx.query(
        'SELECT 1 FROM webhooks.webhooks WHERE tenant = $1 AND webhook = $2 FOR KEY SHARE',
        [tenant, webhook],
      );
      if (locked.length === 0) return undefined;
      if (await this.#inbox.claim(tx, COMMANDS, commandId)) {
        await tx.query('INSERT INTO webhooks.webhook_events (event_id, tenant, type, body) VALUES ($1, $2, $3, $4)', [
          ...[eventId, tenant, TEST_TYPE, body],
        ]);
        await tx.query(
          'INSERT INTO webhooks.webhook_deliveries (tenant, webhook, queue, event_id) VALUES ($1, $2, $3, $4)',
          [tenant, webhook, queue, eventId],
        );
        await tx.query(MAKE_DUE, [webhook, queue, tenant, true]);
      }
      const [queued] = await tx.query<{ delivery: string }>(
        'SELECT delivery FROM webhooks.webhook_deliveries WHERE webhook = $1 AND queue = $2',
        [webhook, queue],
      );
      return queued && readDelivery(tx, webhook, queued.delivery);
    });
    this.onDue();
    return found;
  }

  override async rewrap(): Promise<number> {
    const rows = await this.database
      .forAllTenants()
      .query<WebhookRow>(`SELECT ${COLUMNS} FROM webhooks.webhooks WHERE key_id <> $1 LIMIT 1000`, [this.vault.keyId]);
    let changed = 0;
    for (const row of rows) {
      const { keyId, bytes } = this.vault.wrap(this.#secretsOf(row), row);
      // A change of the webhook in between takes precedence.
      const written = await this.database
        .forTenants([row.tenant])
        .query(
          'UPDATE webhooks.webhooks SET key_id = $2, secrets = $3 WHERE webhook = $1 AND secrets = $4 RETURNING 1',
          [...[row.webhook, keyId, bytes, row.bytes]],
        );
      changed += written.length;
    }
    return changed;
  }

  async #save(
    tx: Transaction,
    commandId: string,
    { webhook, secrets, sealedSecret }: NonNullable<WebhookChange['save']>,
    existing: WebhookRow | undefined,
  ): Promise<void> {
    const wrapped = secrets ? this.vault.wrap(secrets, webhook) : existing;
    if (wrapped === undefined) throw new Error('a new webhook is saved with its secrets');
    const { url, eventTypes, description, createdAt, disabledAt, disabledReason } = webhook;
    const reply =
      sealedSecret === undefined ? [existing?.replyCommand, existing?.replySecret] : [commandId, sealedSecret];
    await tx.query(SAVE, [
      ...[webhook.webhook, webhook.tenant, url, eventTypes, description, createdAt, disabledAt, disabledReason],
      ...[wrapped.keyId, wrapped.bytes, ...reply],
    ]);
  }

  async #record(
    tx: Transaction,
    { commandId, actor, tenant }: WebhookCommandFields,
    kind: FactKind,
    detail: Readonly<Record<string, string | number>>,
    time: Date,
  ): Promise<void> {
    const fact = factRecorded(kind, time, { tenant, commandId, actor, detail: { ...detail } });
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
  }

  #secretsOf(row: WebhookRow): SigningSecret[] {
    return this.vault.unwrap({ keyId: row.keyId, bytes: row.bytes }, row);
  }
}

const TEST_TYPE = `countersign.${WEBHOOK_TEST_KIND}.v1`;

function recordOf({ keyId: _1, bytes: _2, replyCommand: _3, replySecret: _4, ...record }: WebhookRow): WebhookRecord {
  return record;
}

/** The events of its deliveries are removed by the purge, because other webhooks can have deliveries of them. */
async function deleteWebhook(tx: Sql, tenant: string, webhook: string): Promise<void> {
  // Locks them before the deliveries, as the record of an attempt does, so that neither waits for the other.
  await tx.query('DELETE FROM webhooks.delivery_queues WHERE webhook = $1', [webhook]);
  await tx.query('DELETE FROM webhooks.webhooks WHERE tenant = $1 AND webhook = $2', [tenant, webhook]);
}

async function readDelivery(tx: Sql, webhook: string, delivery: string): Promise<DeliveryRecord | undefined> {
  const [row] = await tx.query<DeliveryRecord>(`${DELIVERIES} WHERE d.webhook = $1 AND d.delivery = $2`, [
    webhook,
    delivery,
  ]);
  return row;
}
