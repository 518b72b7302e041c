import { randomUUID } from 'node:crypto';
import { message, TenantDeletionStarted, WebhookCreateRequested } from '@countersign/contracts';
import { createSealingKeys } from '@countersign/crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { Receiver } from '../../test/receiver.js';
import { WebhooksTestBed } from '../../test/test-bed.js';
import { PostgresWebhooksErasure } from './tenant-erasure.store.js';

const FIRST = '2026-01-01T00:00:00.001Z';
const SECOND = '2026-01-01T00:00:00.002Z';
const TABLES = ['webhooks', 'webhook_deliveries', 'delivery_queues', 'webhook_events'];

let bed: WebhooksTestBed;
let database: Database;
let receiver: Receiver;

beforeAll(async () => {
  bed = await WebhooksTestBed.open();
  await bed.startCopy();
  const options = { schema: 'webhooks', migrations: 'none', as: 'administrator', applicationName: 'test' } as const;
  database = await openDatabase({ ...options, url: bed.databaseUrl });
});
beforeEach(async () => {
  receiver = await Receiver.start(() => ({ status: 500 }));
});
afterEach(async () => {
  await receiver.close();
  expect(bed.errors).toEqual([]);
});
afterAll(async () => {
  await database.close();
  await bed.close();
});

const newTenant = (): Promise<string> => bed.putTenant(undefined, FIRST);
const rowsOf = async (tenant: string): Promise<number[]> => {
  const counts = TABLES.map((table) =>
    database.query<{ n: number }>(`SELECT count(*)::int AS n FROM webhooks.${table} WHERE tenant = $1`, [tenant]),
  );
  return (await Promise.all(counts)).map(([row]) => row?.n ?? -1);
};
const creation = async (tenant: string): Promise<string> => {
  const { publicKeys: replyKeys } = await createSealingKeys('reply');
  const fields = { webhook: randomUUID(), url: receiver.url, eventTypes: ['subject.changed'], replyKeys };
  return (await bed.command(message(WebhookCreateRequested, { ...bed.origin(tenant), ...fields }))).answer;
};

describe('the erasure of a tenant', () => {
  it('removes its webhooks, deliveries, queues and events, and nothing of another tenant', async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    for (const one of [tenant, other]) {
      await bed.create(one, receiver.url);
      await bed.create(one, receiver.url);
      for (const subject of ['alice', 'bob', 'alice']) await bed.publish(one, subject);
    }
    const queued = [2, 6, 4, 3];
    await eventually('the events are queued', async () =>
      [await rowsOf(tenant), await rowsOf(other)].every((rows) => rows.join() === queued.join()),
    );
    await bed.eraseTenant(tenant, FIRST);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
    expect(await rowsOf(other)).toEqual(queued);
    await bed.publish(tenant, 'alice');
    await bed.publish(other, 'alice');
    await eventually('a later event of the other tenant is queued', async () => (await rowsOf(other))[3] === 4);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
  });

  it('removes the events of webhooks that were deleted before', async () => {
    const tenant = await newTenant();
    await database.query(
      `INSERT INTO webhooks.webhook_events (event_id, tenant, type, body) VALUES (gen_random_uuid(), $1, 'test', '')`,
      [tenant],
    );
    await bed.eraseTenant(tenant, FIRST);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
  });

  it('removes the webhooks and their events when a forged report has ended the deletion of the tenant early', async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    for (const one of [tenant, other]) {
      await bed.create(one, receiver.url);
      await bed.publish(one, 'alice');
      await eventually('the event is queued', async () => (await rowsOf(one))[3] === 1);
    }
    await bed.publish(tenant, 'alice', 'tenant.deleted');
    await eventually('all is removed', async () => (await rowsOf(tenant)).every((rows) => rows === 0));
    expect((await rowsOf(other))[3]).toBe(1);
  });

  it('works in bounded parts, and another process continues where one stopped', async () => {
    const tenant = await newTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    await database.query('UPDATE webhooks.webhooks SET disabled_at = now(), disabled_reason = $2 WHERE webhook = $1', [
      ...[webhook, 'operator'],
    ]);
    await database.query(
      `WITH event AS (
         INSERT INTO webhooks.webhook_events (event_id, tenant, type, body)
         SELECT gen_random_uuid(), $1, 'test', '' FROM generate_series(1, 12000) RETURNING event_id)
       INSERT INTO webhooks.webhook_deliveries (tenant, webhook, queue, event_id)
       SELECT $1, $2, event_id, event_id FROM event`,
      [tenant, webhook],
    );
    const deletion = message(TenantDeletionStarted, { tenant, createdAt: FIRST });
    expect(await new PostgresWebhooksErasure(database).erase(deletion)).toBe(false);
    expect(await rowsOf(tenant)).toEqual([1, 2000, 0, 12000]);
    await bed.eraseTenant(tenant, FIRST);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
  });

  it('lets no webhook be created for the tenant by a process that does not know its deletion, until a new tenant has the id', async () => {
    const tenant = await newTenant();
    await bed.create(tenant, receiver.url);
    await bed.eraseTenant(tenant, FIRST);
    expect(await creation(tenant)).toBe('not_found');
    // What a cache still holds that has not caught up.
    await bed.putTenant(tenant, FIRST);
    expect(await creation(tenant)).toBe('not_found');
    await bed.putTenant(tenant, SECOND);
    await bed.create(tenant, receiver.url);
    // A late report of the first deletion must not reach the new tenant.
    const late = message(TenantDeletionStarted, { tenant, createdAt: FIRST });
    expect(await new PostgresWebhooksErasure(database).erase(late)).toBe(true);
    expect((await rowsOf(tenant))[0]).toBe(1);
    await bed.eraseTenant(tenant, SECOND);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
  });

  it('leaves nothing when events are queued and webhooks are created at the same time', async () => {
    const tenant = await newTenant();
    await bed.create(tenant, receiver.url);
    const work = Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        for (let event = 0; event < 20; event++) await bed.publish(tenant, `s-${at}`);
        await bed.create(tenant, receiver.url).catch(() => undefined);
        for (let event = 0; event < 20; event++) await bed.publish(tenant, `s-${at}`);
      }),
    );
    await eventually('the first events are queued', async () => ((await rowsOf(tenant))[3] ?? 0) > 0);
    await Promise.all([work, bed.eraseTenant(tenant, FIRST)]);
    const other = await newTenant();
    await bed.create(other, receiver.url);
    for (let at = 0; at < 10; at++) await bed.publish(other, `s-${at}`);
    await eventually('all events were consumed', async () => (await rowsOf(other))[3] === 10);
    expect(await rowsOf(tenant)).toEqual([0, 0, 0, 0]);
  });
});
