import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/sealing';
import { createTestDatabase } from '@countersign/testing';
import { VERIFICATION_MIGRATIONS } from '../../migrations/index.js';
import { PostgresSubjectStore } from './subject.store.js';
import { credentialOf, subjectStoreContract } from './subject.store.contract.js';

// Machines that do other work beside them.
jest.setTimeout(60_000);

const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64url');
const hash = new KeyedHash(new Secret(key(1)));
/** Looks at the tables past the service, whose rights {@link service} has. */
let database: Database;
let service: Database;
let drop: () => Promise<void>;
let store: PostgresSubjectStore;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = {
    url: test.url,
    schema: 'verification',
    migrations: VERIFICATION_MIGRATIONS,
    applicationName: 'test',
    poolSize: 10,
  };
  service = await openDatabase(options);
  database = await openDatabase({ ...options, as: 'administrator' });
  store = new PostgresSubjectStore(service, new Keyring(new Secret(`k1:${key(2)}`)), hash, () => undefined);
});

afterAll(async () => {
  await Promise.all([database.close(), service.close()]);
  await drop();
});

describe('the PostgreSQL subject store', () => {
  subjectStoreContract(() => Promise.resolve({ store, phone: (tenant, e164) => hash.hash('phone', tenant, e164) }));

  it('records what was enrolled, by whom and in which version, in the transaction of the enrolment', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await store.change(randomUUID(), tenant, 'alice', {});
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ mustChange: true }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ replaces: 1, by: 'caller' }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ kind: 'knowledge' }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ replaces: 7 }));
    const rows = await database.query<{ payload: string }>(
      'SELECT payload FROM verification.outbox WHERE key LIKE $1 ORDER BY seq',
      [`${tenant}:%`],
    );
    const facts = rows.map(({ payload }) => JSON.parse(payload) as { kind: string; detail: object });
    expect(facts.map(({ kind, detail }) => [kind, detail])).toEqual([
      ['subject.changed', expect.anything()],
      ['credential.enrolled', { credential: 'pin', version: 1, by: 'administrator', mustChange: true }],
      ['credential.changed', { credential: 'pin', version: 2, by: 'caller' }],
      ['credential.enrolled', { credential: 'knowledge', version: 1, by: 'administrator' }],
    ]);
  });

  it('gives references that nobody answers to the caps of those that somebody does, in the same shares', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const capOf = async (ref: string, within = tenant) => (await store.find(within, 'id', ref, 'pin')).cap;
    expect(await capOf('nobody', `${tenant}-empty`)).toBe(10);
    await store.change(randomUUID(), tenant, 'bare', {});
    for (let n = 0; n < 20; n++) {
      await store.change(randomUUID(), tenant, `s-${n}`, {});
      await store.enrol(randomUUID(), tenant, `s-${n}`, credentialOf({ cap: n % 4 === 0 ? 10 : 50 }));
    }
    const names = Array.from({ length: 400 }, () => randomUUID());
    const caps = await Promise.all(names.map((name) => capOf(name)));
    expect(new Set(caps)).toEqual(new Set([10, 50]));
    // A quarter of 400, and six times its standard deviation.
    const low = caps.filter((cap) => cap === 10).length;
    expect(low).toBeGreaterThan(48);
    expect(low).toBeLessThan(152);
    expect(await Promise.all(names.map((name) => capOf(name)))).toEqual(caps);
    expect([await capOf('s-0'), await capOf('s-1')]).toEqual([10, 50]);
    expect([10, 50]).toContain(await capOf('bare'));
  });
});
