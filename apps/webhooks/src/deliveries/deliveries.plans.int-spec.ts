import { randomUUID } from 'node:crypto';
import { Keyring, Secret } from '@countersign/crypto';
import { openDatabase, type Database, type OutboxRelay } from '@countersign/persistence';
import { createTestDatabase, tableScans } from '@countersign/testing';
import { newKeys } from '../../test/test-bed.js';
import { NEEDS } from '../needs.js';
import { SecretVault } from '../subscriptions/secret-vault.js';
import { PostgresDeliveryQueues } from './delivery-queues.store.js';
import { PostgresEventIntake } from './event-intake.store.js';

/** Events of one statement. */
const BATCH = 6;
/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 8;
const STORED = 4_000;
const TENANT = 'acme';

const GROWING = ['webhook_events', 'webhook_deliveries', 'delivery_queues'];

/** How often each table that grows was read from end to end. */
async function scans(service: Database): Promise<unknown[]> {
  const all = await tableScans(service, 'webhooks');
  return GROWING.map((table) => all[table]);
}

/** How many entries were read from the indexes of events and deliveries. */
async function readEntries(service: Database): Promise<number> {
  await service.query('SELECT pg_stat_force_next_flush()');
  const [row] = await service.query<{ read: number }>(
    `SELECT sum(idx_tup_read)::int AS read FROM pg_stat_user_indexes
     WHERE relname IN ('webhook_events', 'webhook_deliveries')`,
  );
  return row?.read ?? 0;
}

function queuesOf(service: Database): PostgresDeliveryQueues {
  const vault = new SecretVault(new Keyring(new Secret(newKeys('k1'))));
  return new PostgresDeliveryQueues(service, { wake: () => undefined } as unknown as OutboxRelay, vault);
}

/** Queues events and delivers them, as the service does. */
async function deliver(service: Database): Promise<void> {
  const queues = queuesOf(service);
  const intake = new PostgresEventIntake(service, () => undefined);
  for (let execution = 0; execution < EXECUTIONS; execution++) {
    const events = Array.from({ length: BATCH }, () => ({
      ...{ eventId: randomUUID(), tenant: TENANT, kind: 'attempt.decided', queue: randomUUID(), time: new Date() },
      body: () => Buffer.from('{}'),
    }));
    await Promise.all(events.map((event) => intake.record(event)));
    const leased = await queues.lease(await queues.due(BATCH), 60);
    expect(leased).toHaveLength(BATCH);
    const attempt = { at: new Date().toISOString(), status: 200, milliseconds: 1 };
    for (const one of leased) {
      const next = { state: 'delivered', pauseSeconds: 0, holdSeconds: 0 } as const;
      expect(await queues.complete(one, attempt, next)).toBe(true);
    }
  }
  expect(await queues.backlog()).toEqual({ pending: 0, oldestSeconds: 0 });
}

it('queueing, delivering and purging scan neither events nor deliveries nor queues, with the plans of empty tables', async () => {
  const { url, drop } = await createTestDatabase();
  // One connection, which keeps its plans.
  const service = await openDatabase({ url, applicationName: 'test', ...NEEDS.store, poolSize: 1 });
  const administrator = await openDatabase({ url, applicationName: 'test', ...NEEDS.store, as: 'administrator' });
  const all = service.forAllTenants();
  try {
    await all.query(
      `INSERT INTO webhooks.webhooks (webhook, tenant, url, event_types, key_id, secrets, created_at)
       VALUES (gen_random_uuid(), $1, 'https://receiver.example', '{*}', 'k1', '', now() - interval '1 day')`,
      [TENANT],
    );
    // The connection keeps these plans until the tables are analyzed again. Those of empty tables are scans.
    await administrator.query('VACUUM ANALYZE');
    await deliver(service);
    const readWhenEmpty = await readEntries(service);
    // A fifth is older than the retention.
    await all.query(
      `WITH event AS (
         INSERT INTO webhooks.webhook_events (event_id, tenant, type, body, recorded_at)
         SELECT gen_random_uuid(), $1, 'type', '', now() - n % 5 * interval '8 days' FROM generate_series(1, ${STORED}) n
         RETURNING event_id, recorded_at
       )
       INSERT INTO webhooks.webhook_deliveries (tenant, webhook, queue, event_id, state, created_at)
       SELECT $1, webhook, event_id::text, event_id, 'delivered', recorded_at FROM event, webhooks.webhooks`,
      [TENANT],
    );
    const [before, readBefore] = [await scans(service), await readEntries(service)];
    await deliver(service);
    const read = (await readEntries(service)) - readBefore;
    await queuesOf(service).purge(30, 100_000);
    expect(await scans(service)).toEqual(before);
    // A join could read an index from end to end.
    expect(read).toBeLessThan(readWhenEmpty + EXECUTIONS * BATCH);
    const [left] = await all.query(
      `SELECT (SELECT count(*)::int FROM webhooks.webhook_deliveries) AS deliveries,
         (SELECT count(*)::int FROM webhooks.webhook_events) AS events`,
    );
    const kept = (STORED * 4) / 5 + 2 * EXECUTIONS * BATCH;
    expect(left).toEqual({ deliveries: kept, events: kept });
    expect(await scans(service)).not.toEqual(before);
  } finally {
    await Promise.all([service.close(), administrator.close()]);
    await drop();
  }
});
