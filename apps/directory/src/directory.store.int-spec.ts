import { randomUUID } from 'node:crypto';
import { entityTagOf, TOPICS, type CommandAnswered, type FactRecorded } from '@countersign/contracts';
import { Inbox, openDatabase, OutboxRelay, type Database, type DatabaseOptions } from '@countersign/persistence';
import { createTestDatabase, tableScans } from '@countersign/testing';
import { directoryStoreContract } from '../test/directory-store.contract.js';
import { useCasesOn } from '../test/use-cases.js';
import { type ApiKeyRecord } from './directory.ports.js';
import { DIRECTORY_ENTITIES, PostgresDirectoryStore } from './directory.store.js';
import { NEEDS } from './needs.js';
import { PostgresOperatorSessions } from './operator-sessions/operator-sessions.store.js';

/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 6;
const STORED = 2_000;

const KEY = {
  ...{ name: 'Key', scopes: ['verify' as const], hashes: [], createdAt: new Date(), expiresAt: null, disabledAt: null },
  lastUsedAt: null,
} satisfies Partial<ApiKeyRecord>;

/** Tenants with an agent and a key each, sign-ins that are abandoned, and ids of commands, half of them old. */
const STORE = [
  `tenants (tenant, name, policy, created_at) SELECT 'tenant ' || n, '', '{}', now() FROM n`,
  `agents (agent, tenant, name, policy, passwords, api_keys, created_at)
   SELECT 'agent ' || n, 'tenant ' || n, '', '{}', '[]', '[]', now() FROM n`,
  `api_keys (key_id, tenant, name, scopes, agent, hashes, created_at)
   SELECT 'key ' || n, 'tenant ' || n, '', '{verify}', 'agent ' || n, '[]', now() FROM n`,
  `operator_sign_ins (id_hash, return_to, recent) SELECT n::text, '', false FROM n`,
  `inbox (consumer, message_id, seen_at) SELECT 'directory-commands', n::text, now() - (n % 2) * interval '9 days' FROM n`,
];

describe('the directory store in PostgreSQL', () => {
  let database: Database;
  let url: string;
  let drop: () => Promise<void>;

  /** Its relay is never started, so the records stay in the outbox, where the suite reads them. */
  const relayOf = (service: Database): OutboxRelay =>
    new OutboxRelay({ database: service, send: () => Promise.resolve(), onError: () => undefined });
  const openStore = (): PostgresDirectoryStore => new PostgresDirectoryStore(database, relayOf(database));
  const open = (more: Partial<DatabaseOptions> = {}): Promise<Database> =>
    openDatabase({ url, ...NEEDS.store, entities: DIRECTORY_ENTITIES, applicationName: 'test', ...more });

  directoryStoreContract(async () => {
    const test = await createTestDatabase();
    drop = () => test.drop();
    url = test.url;
    database = await open();
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

  /** Changes, reads and lists, and begins and ends the session of an operator, as the service does. */
  const serve = async (service: Database): Promise<void> => {
    const store = new PostgresDirectoryStore(service, relayOf(service));
    const sessions = new PostgresOperatorSessions(service, relayOf(service));
    const { setTenant, createAgent, changeAgent, deleteAgent } = useCasesOn(store);
    for (let execution = 0; execution < EXECUTIONS; execution++) {
      const [tenant, agent, keyId] = [randomUUID(), randomUUID(), randomUUID()];
      await setTenant(tenant);
      await createAgent(tenant, agent);
      await changeAgent(tenant, agent, { mode: 'merge', name: 'Desk' });
      await store.change(randomUUID(), tenant, () => ({ keys: [{ ...KEY, tenant, agent, keyId }], publish: [] }));
      await store.recordUse(tenant, keyId, new Date());
      for (const state of [undefined, 'enabled', 'disabled'] as const) {
        const page = { limit: 1, ...(state && { state }) };
        await Promise.all([
          store.agents(tenant, page),
          store.apiKeys(tenant, page),
          store.apiKeys(tenant, { ...page, agent }),
        ]);
      }
      expect(await store.tenants({ limit: 2, after: 'tenant 1' })).toBeDefined();
      expect(await store.tenants({ limit: 2, tenants: [tenant] })).toHaveLength(1);
      expect([await store.agent(tenant, agent), await store.apiKey(tenant, keyId)]).not.toContain(undefined);
      await deleteAgent(tenant, agent, {});
      await store.change(randomUUID(), tenant, () => ({ deletesTenant: true, publish: [] }));
      expect(await store.tenant(tenant)).toBeUndefined();
      await sessions.begin(keyId, { returnTo: '/', recent: false });
      expect(await sessions.take(keyId)).toBeDefined();
    }
  };

  it('scans no table that grows, with the plans of empty tables', async () => {
    const administrator = await open({ as: 'administrator' });
    // One connection, which keeps its plans.
    const service = await open({ poolSize: 1 });
    const scans = async (): Promise<unknown[]> => {
      const all = await tableScans(service, 'directory');
      return ['tenants', 'agents', 'api_keys', 'operator_sign_ins', 'inbox'].map((table) => all[table]);
    };
    try {
      await administrator.query('TRUNCATE directory.tenants, directory.agents, directory.api_keys, directory.inbox');
      await administrator.query('VACUUM ANALYZE');
      await serve(service);
      for (const rows of STORE)
        await service
          .forAllTenants()
          .query(`WITH n AS (SELECT generate_series(1, ${STORED}) n) INSERT INTO directory.${rows}`);
      const before = await scans();
      await serve(service);
      expect(await new Inbox(service).purge(8 * 86_400)).toBe(STORED / 2);
      expect(await scans()).toEqual(before);
      await service.query('SELECT FROM directory.operator_sign_ins WHERE recent');
      expect(await scans()).not.toEqual(before);
    } finally {
      await Promise.all([administrator.close(), service.close()]);
    }
  });
});
