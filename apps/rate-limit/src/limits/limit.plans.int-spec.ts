import { randomUUID } from 'node:crypto';
import { openDatabase, type Database, type Transaction } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { limitRequestOf } from '../../test/limit-store-bed.js';
import { RATE_LIMIT_MIGRATIONS } from '../../migrations/index.js';
import { PostgresLimitStore } from './limit.store.js';

/** As many requests as one statement decides under load. */
const BATCH = 24;
/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 8;

/** The tables that statements of this transaction have read from end to end. */
const scannedTables = (tx: Transaction): Promise<unknown[]> =>
  tx.query(`SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'rate_limit' AND seq_scan > 0`);

it('a decision about requests scans no table, inside its function too, and so does a refund', async () => {
  const { url, drop } = await createTestDatabase();
  const options = { url, schema: 'rate_limit', migrations: RATE_LIMIT_MIGRATIONS, applicationName: 'test' };
  const database = await openDatabase({ ...options, as: 'administrator' });
  try {
    await database.query(
      'INSERT INTO rate_limit.counters (key) SELECT gen_random_uuid() FROM generate_series(1, 20000)',
    );
    await database.query('ANALYZE rate_limit.counters');
    await database.transaction(async (tx) => {
      // The store works in this transaction, of which the server counts the scans.
      const store = new PostgresLimitStore(tx as unknown as Database);
      const [agent, tenant] = [randomUUID(), randomUUID()];
      for (let execution = 0; execution < EXECUTIONS; execution++) {
        const requests = Array.from({ length: BATCH }, () => limitRequestOf({ agent, tenant }));
        const decisions = await Promise.all(requests.map((request) => store.admit(request)));
        expect(decisions.every(({ admitted }) => admitted)).toBe(true);
        expect(await store.refund(requests[0] as (typeof requests)[0])).toBe(true);
      }
      expect(await scannedTables(tx)).toEqual([]);
      await tx.query('SELECT count(*) FROM rate_limit.counters');
      expect(await scannedTables(tx)).toEqual([{ relname: 'counters' }]);
    });
  } finally {
    await database.close();
    await drop();
  }
});
