import { jest } from '@jest/globals';
import { openDatabase, type Database } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { Receiver } from '../../apps/webhooks/test/receiver.js';
import { Client, newName } from '../client.js';
import { SHORT_SESSIONS, startSeparate, type SeparateProduct } from '../product.js';

jest.setTimeout(300_000);

const MANY = 6_000;

describe('the deletion of a tenant over a real Apache Kafka, with processes that are killed', () => {
  let product: SeparateProduct;
  let database: Database;
  let client: Client;
  let receiver: Receiver;

  beforeAll(async () => {
    receiver = await Receiver.start(() => ({ status: 500 }));
    const env = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' };
    product = await startSeparate({ env: { ...env, ...SHORT_SESSIONS } });
    const options = {
      applicationName: 'test',
      schema: 'verification',
      migrations: 'none',
      as: 'administrator',
    } as const;
    database = await openDatabase({ ...options, url: product.databaseUrl });
    client = new Client(product);
  });
  afterAll(async () => {
    await receiver.close();
    await database.close();
    await product.remove();
  });

  const count = async (sql: string, tenant: string): Promise<number> => {
    const [row] = await database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql} AND tenant = $1`, [
      tenant,
    ]);
    return row?.n ?? -1;
  };
  const subjectsOf = (tenant: string) => count('verification.subjects WHERE true', tenant);

  it('erases every webhook, and every subject with one event each, although services are killed during it', async () => {
    const tenant = newName('tenant');
    const path = `/v1/tenants/${tenant}`;
    await client.putTenant(tenant);
    await client.createAgent(tenant);
    await client.manage('POST', `${path}/webhooks`, { url: receiver.url, eventTypes: ['*'] });
    await client.putSubject(tenant, 'alice', { displayName: 'Alice', phones: ['+12025550123'] });
    await client.putPin(tenant, 'alice', '48213');
    await database.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       SELECT $1, 'c-' || n, gen_random_uuid(), 1, '' FROM generate_series(1, $2) n`,
      [tenant, MANY],
    );
    await database.query(
      `INSERT INTO rate_limit.overrides
       VALUES ($1, 'caller', '', 5, 60, 'test', now() + interval '1 hour', '{}', '{}')`,
      [tenant],
    );
    await eventually(
      'events wait for their webhook',
      async () => (await count(`webhooks.webhook_deliveries WHERE state = 'pending'`, tenant)) > 0,
      60_000,
    );
    await client.manage('POST', `${path}/disable`, {});
    await product.kill('webhooks');
    // Its answer waits for the cache of the killed process, and the erasure does not.
    const deletion = client.manage('DELETE', path, undefined, [202]);

    await eventually('some subjects are erased', async () => (await subjectsOf(tenant)) <= MANY - 1_000, 60_000);
    await product.kill('verification');
    expect((await deletion).json).toMatchObject({ state: 'deleting' });
    const remaining = await subjectsOf(tenant);
    expect(remaining).toBeGreaterThan(0);
    await product.kill('directory');
    await product.restart('directory');
    expect((await client.manage('GET', path)).json).toMatchObject({ state: 'deleting' });
    expect(await subjectsOf(tenant)).toBe(remaining);
    await product.restart('verification');
    await eventually('every subject is erased', async () => (await subjectsOf(tenant)) === 0, 120_000);
    expect((await client.manage('GET', path)).json).toMatchObject({ state: 'deleting' });
    await product.restart('webhooks');

    const isGone = async (): Promise<boolean> =>
      (await client.manage('GET', path, undefined, [200, 404])).status === 404;
    await eventually('the tenant is deleted', isGone, 120_000);
    expect(await subjectsOf(tenant)).toBe(0);
    const empty = ['verification.subject_keys', 'verification.credentials', 'verification.subject_phones'];
    empty.push(
      'webhooks.webhooks',
      'webhooks.webhook_deliveries',
      'webhooks.delivery_queues',
      'webhooks.webhook_events',
    );
    for (const table of [...empty, 'directory.agents', 'directory.tenants', 'rate_limit.overrides'])
      expect([table, await count(`${table} WHERE true`, tenant)]).toEqual([table, 0]);
    const erased = `audit.entries WHERE kind = 'subject.erased'`;
    await eventually('every event is in the log', async () => (await count(erased, tenant)) >= MANY + 1, 120_000);
    await eventually(
      'the last event',
      async () => (await count(`audit.entries WHERE kind = 'tenant.deleted'`, tenant)) === 1,
    );
    expect(await count(erased, tenant)).toBe(MANY + 1);
    const [distinct] = await database.query<{ n: number }>(
      `SELECT count(DISTINCT subject)::int AS n FROM audit.entries WHERE tenant = $1 AND kind = 'subject.erased'`,
      [tenant],
    );
    expect(distinct?.n).toBe(MANY + 1);
  });
});
