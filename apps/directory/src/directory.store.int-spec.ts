import { TOPICS, type FactRecorded } from '@countersign/contracts';
import { openDatabase, OutboxRelay, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { DIRECTORY_MIGRATIONS } from '../migrations/index.js';
import { directoryStoreContract } from '../test/directory-store.contract.js';
import { DIRECTORY_ENTITIES, PostgresDirectoryStore } from './directory.store.js';

describe('the directory store in PostgreSQL', () => {
  let database: Database;
  let drop: () => Promise<void>;

  directoryStoreContract(async () => {
    const test = await createTestDatabase();
    drop = () => test.drop();
    database = await openDatabase({
      url: test.url,
      schema: 'directory',
      migrations: DIRECTORY_MIGRATIONS,
      entities: DIRECTORY_ENTITIES,
      applicationName: 'test',
    });
    // Never started, so the records stay in the outbox, where the suite reads them.
    const relay = new OutboxRelay({ database, send: () => Promise.resolve(), onError: () => undefined });
    const rows = (topic: string): Promise<{ key: string; payload: string }[]> =>
      database.query('SELECT key, payload FROM directory.outbox WHERE topic = $1 ORDER BY seq', [topic]);
    return {
      store: new PostgresDirectoryStore(database, relay),
      published: async () => (await rows(TOPICS.directory.name)).map(({ key }) => key),
      facts: async () =>
        (await rows(TOPICS.facts.name)).map(({ payload }) => {
          const { kind, tenant, agent } = JSON.parse(payload) as FactRecorded;
          return { kind, tenant, ...(agent && { agent }) };
        }),
    };
  });

  afterAll(async () => {
    await database.close();
    await drop();
  });

  it('hides the rows of a tenant from statements for another tenant', async () => {
    const store = new PostgresDirectoryStore(
      database,
      new OutboxRelay({ database, send: () => Promise.resolve(), onError: () => undefined }),
    );
    const fact = { kind: 'tenant.changed', detail: {} } as const;
    await store.change('command-1', 'hidden', () => ({
      tenant: { tenant: 'hidden', name: 'Hidden', policy: {}, createdAt: new Date(), disabledAt: null },
      publish: [],
      fact,
    }));
    const count = 'SELECT count(*)::int AS n FROM directory.tenants WHERE tenant = $1';
    expect(await database.forTenants(['other']).query(count, ['hidden'])).toEqual([{ n: 0 }]);
    expect(await database.forTenants(['hidden']).query(count, ['hidden'])).toEqual([{ n: 1 }]);
  });
});
