import fc from 'fast-check';
import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { FactRecorded, message } from '@countersign/contracts';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { RateLimit1764000000002 } from '../../migrations/1764000000002-rate-limit.js';
import { admit, EMPTY, type SlidingLog } from '../domain/sliding-log.js';
import { PostgresLimitStore } from './limit.store.js';
import { limitStoreContract } from './limit.store.contract.js';

// Thousands of statements, on machines that do other work beside them.
jest.setTimeout(60_000);

let databases: Database[];
let drop: () => Promise<void>;
let stores: PostgresLimitStore[];

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const open = (): Promise<Database> =>
    openDatabase({
      url: test.url,
      schema: 'rate_limit',
      migrations: [RateLimit1764000000002],
      applicationName: 'test',
      poolSize: 10,
    });
  databases = await Promise.all([open(), open()]);
  stores = databases.map((database) => new PostgresLimitStore(database, () => undefined));
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await drop();
});

const query = <T>(sql: string, params: unknown[] = []): Promise<T[]> =>
  (databases[0] as Database).query<T>(sql, params);

async function advance(seconds: number): Promise<void> {
  await query(
    `UPDATE rate_limit.windows SET touched_at = touched_at - make_interval(secs => $1),
       expires_at = expires_at - make_interval(secs => $1),
       hits = ARRAY(SELECT at - make_interval(secs => $1) FROM unnest(hits) at)`,
    [seconds],
  );
}

const request = (key: string, limit: number, periodSeconds: number): Parameters<PostgresLimitStore['admit']>[0] => ({
  key,
  commandId: randomUUID(),
  limit: { limit, periodSeconds },
  refusal: message(FactRecorded, {
    factId: randomUUID(),
    kind: 'limit.refused',
    time: new Date(0).toISOString(),
    tenant: 'acme',
  }),
});

describe('the PostgreSQL limit store', () => {
  it('admits exactly the limit of each of many callers whose requests two copies decide in batches', async () => {
    const keys = Array.from({ length: 10 }, () => `caller:${randomUUID()}`);
    const asked = Array.from({ length: 400 }, (_, at) => ({
      key: keys[(at * 3) % keys.length] ?? '',
      store: stores[at % 2] as PostgresLimitStore,
    }));
    const decisions = await Promise.all(
      asked.map(async ({ key, store }) => ({ key, ...(await store.admit(request(key, 7, 60))) })),
    );
    for (const key of keys) {
      const admitted = decisions.filter((decision) => decision.key === key && decision.admitted);
      expect(admitted).toHaveLength(7);
    }
    const [refused] = await query<{ n: number }>('SELECT count(*)::int AS n FROM rate_limit.outbox');
    expect(refused?.n).toBeGreaterThanOrEqual(400 - 7 * keys.length);
  });

  limitStoreContract(() =>
    Promise.resolve({
      store: stores[0] as PostgresLimitStore,
      advance,
      facts: async () => (await query<{ id: string }>('SELECT id FROM rate_limit.outbox')).map(({ id }) => id),
    }),
  );

  it('admits exactly ten of two hundred over two copies of the service', async () => {
    const key = randomUUID();
    const decisions = await Promise.all(
      Array.from({ length: 200 }, (_, n) => (stores[n % 2] as PostgresLimitStore).admit(request(key, 10, 60))),
    );
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(10);
  });

  it('decides like the pure function, step by step, for random limits and times', async () => {
    const sequences = fc.record({
      limit: fc.integer({ min: 1, max: 5 }),
      periodSeconds: fc.integer({ min: 1000, max: 5000 }),
      waits: fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(sequences, async ({ limit, periodSeconds, waits }) => {
        const key = randomUUID();
        let log: SlidingLog = EMPTY;
        let now = 0;
        for (const wait of waits) {
          now += wait * 1000;
          await advance(wait);
          const asked = request(key, limit, periodSeconds);
          const expected = admit(log, asked.commandId, now, asked.limit);
          log = expected.log;
          const decision = await (stores[0] as PostgresLimitStore).admit(asked);
          expect(decision.admitted).toBe(expected.admitted);
          // The database's clock moves between the steps; a step takes less than two seconds.
          const seconds = ((expected.retryAt ?? now) - now) / 1000;
          if (!expected.admitted) expect(Math.abs((decision.retryAfterSeconds ?? 0) - seconds)).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('writes the time of the database into a refusal', async () => {
    const key = randomUUID();
    await (stores[0] as PostgresLimitStore).admit(request(key, 1, 60));
    const refused = request(key, 1, 60);
    await (stores[0] as PostgresLimitStore).admit(refused);
    const [row] = await query<{ payload: string }>('SELECT payload FROM rate_limit.outbox WHERE id = $1', [
      refused.refusal.factId,
    ]);
    const { time } = JSON.parse(row?.payload ?? '{}') as { time: string };
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('forgets windows that can refuse nobody any more, and only those', async () => {
    const [old, young] = [randomUUID(), randomUUID()];
    await (stores[0] as PostgresLimitStore).admit(request(old, 1, 60));
    await advance(120);
    await (stores[0] as PostgresLimitStore).admit(request(young, 1, 60));
    await (stores[0] as PostgresLimitStore).forget();
    const rows = await query<{ key: string }>('SELECT key FROM rate_limit.windows WHERE key = ANY ($1)', [
      [old, young],
    ]);
    expect(rows.map(({ key }) => key)).toEqual([young]);
  });
});
