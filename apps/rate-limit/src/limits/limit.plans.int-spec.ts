import { randomUUID } from 'node:crypto';
import { openDatabase } from '@countersign/persistence';
import { createTestDatabase, tableScans } from '@countersign/testing';
import { limitRequestOf } from '../../test/limit-store-bed.js';
import { RATE_LIMIT_MIGRATIONS } from '../../migrations/index.js';
import { PostgresLimitStore } from './limit.store.js';

/** As many requests as one statement decides under load. */
const BATCH = 24;
/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 8;
const STORED = 20_000;

it('a decision, a refund and a purge scan no table, inside functions too, with the plans of an empty table', async () => {
  const { url, drop } = await createTestDatabase();
  const options = { url, schema: 'rate_limit', migrations: RATE_LIMIT_MIGRATIONS, applicationName: 'test' };
  // One connection, which keeps its plans.
  const service = await openDatabase({ ...options, poolSize: 1 });
  const scans = (): Promise<Record<string, number>> => tableScans(service, 'rate_limit');
  try {
    const store = new PostgresLimitStore(service);
    const [agent, tenant] = [randomUUID(), randomUUID()];
    const decide = async (): Promise<void> => {
      for (let execution = 0; execution < EXECUTIONS; execution++) {
        const callers = Array.from({ length: BATCH }, () => randomUUID());
        const requests = callers.map((caller) => limitRequestOf({ caller, agent, tenant }));
        const decisions = await Promise.all(requests.map((request) => store.admit(request)));
        expect(decisions.every(({ admitted }) => admitted)).toBe(true);
        expect(await store.refund(requests[0] as (typeof requests)[0])).toBe(true);
      }
    };
    const first = await scans();
    await decide();
    expect(await scans()).toEqual(first);
    const findCommands = async (): Promise<void> => {
      for (let execution = 0; execution < EXECUTIONS; execution++)
        expect(await store.admittedCommands(randomUUID(), 60)).toEqual([]);
    };
    await findCommands();
    const before = await scans();
    // Neither analyzed nor vacuumed: the connection keeps its plans.
    await service.query(
      `INSERT INTO rate_limit.counters (key, expires_ms)
       SELECT gen_random_uuid(), CASE WHEN n % 3 > 0 THEN 1e15 ELSE 1 END FROM generate_series(1, ${STORED}) n`,
    );
    await findCommands();
    await decide();
    await store.purge();
    expect(await scans()).toEqual(before);
    expect(await service.query('SELECT FROM rate_limit.counters WHERE expires_ms = 1')).toHaveLength(0);
    expect(await scans()).not.toEqual(before);
  } finally {
    await service.close();
    await drop();
  }
});
