import { entityTagOf, TOPICS, type CommandAnswered, type FactRecorded } from '@countersign/contracts';
import { openDatabase, OutboxRelay, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { DIRECTORY_MIGRATIONS } from '../migrations/index.js';
import { directoryStoreContract } from '../test/directory-store.contract.js';
import { useCasesOn } from '../test/use-cases.js';
import { DIRECTORY_ENTITIES, PostgresDirectoryStore } from './directory.store.js';

describe('the directory store in PostgreSQL', () => {
  let database: Database;
  let drop: () => Promise<void>;

  /** Its relay is never started, so the records stay in the outbox, where the suite reads them. */
  const openStore = (): PostgresDirectoryStore => {
    const relay = new OutboxRelay({ database, send: () => Promise.resolve(), onError: () => undefined });
    return new PostgresDirectoryStore(database, relay);
  };

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
    const rows = (topic: string): Promise<{ key: string; payload: string }[]> =>
      database.query('SELECT key, payload FROM directory.outbox WHERE topic = $1 ORDER BY seq', [topic]);
    return {
      store: openStore(),
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

  it('makes exactly one of twenty simultaneous changes that name the same entity tag', async () => {
    const { setTenant, createAgent, changeAgent, readTenant, readAgent } = useCasesOn(openStore());
    const policy = { verifiedSeconds: 60, attempts: { perWindow: 5, lockSeconds: 60 }, greetByName: false };
    const tagOf = ({ body = {} }: CommandAnswered): string => entityTagOf(body);
    const oneOfTwenty = async (change: (name: string) => Promise<CommandAnswered>): Promise<CommandAnswered> => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => change(`writer-${index}`)));
      const [winner, ...others] = answers.sort((a, b) => b.answer.localeCompare(a.answer));
      expect(winner?.answer).toBe('updated');
      expect(others.map(({ answer }) => answer)).toEqual(Array<string>(19).fill('precondition_failed'));
      return winner as CommandAnswered;
    };
    // The tag of what was sent is the tag of what was stored, although the database orders the keys of a policy anew.
    const tenantTag = tagOf(await setTenant('tagged', { policy }));
    expect(tagOf(await readTenant('tagged'))).toBe(tenantTag);
    const tenant = await oneOfTwenty((name) => setTenant('tagged', { name, preconditions: { ifMatch: [tenantTag] } }));
    expect((await readTenant('tagged')).body).toEqual(tenant.body);
    const agentTag = tagOf(await createAgent('tagged', 'tagged-desk', policy));
    const agent = await oneOfTwenty((name) =>
      changeAgent('tagged', 'tagged-desk', { mode: 'merge', name, preconditions: { ifMatch: [agentTag] } }),
    );
    expect((await readAgent('tagged', 'tagged-desk')).body).toEqual(agent.body);
    expect(tagOf(await readAgent('tagged', 'tagged-desk'))).toBe(tagOf(agent));
  });

  it('hides the rows of a tenant from statements for another tenant', async () => {
    const store = openStore();
    const fact = { kind: 'tenant.changed', detail: {} } as const;
    await store.change('command-1', 'hidden', () => ({
      tenant: { tenant: 'hidden', name: 'Hidden', policy: {}, createdAt: new Date(), disabledAt: null, deletion: null },
      publish: [],
      fact,
    }));
    const count = 'SELECT count(*)::int AS n FROM directory.tenants WHERE tenant = $1';
    expect(await database.forTenants(['other']).query(count, ['hidden'])).toEqual([{ n: 0 }]);
    expect(await database.forTenants(['hidden']).query(count, ['hidden'])).toEqual([{ n: 1 }]);
  });
});
