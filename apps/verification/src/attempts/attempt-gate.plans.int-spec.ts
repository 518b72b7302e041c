import { randomUUID } from 'node:crypto';
import { openTestTables, type TestTables } from '../../test/test-tables.js';
import { COUNT_ATTEMPTS } from './gate/attempt-gate.sql.js';
import { DECIDE_ATTEMPTS } from './attempt-outcomes.sql.js';

/** As many attempts as one statement decides under load. */
const BATCH = 24;
const STORED = 20_000;

let tables: TestTables;

beforeAll(async () => {
  tables = await openTestTables();
  const { database } = tables;
  await database.query(
    `INSERT INTO verification.commands (command_id, fingerprint, attempt_id, received_at, repeat_until)
    SELECT 'command ' || n, '', gen_random_uuid(), now(), now() FROM generate_series(1, ${STORED}) n`,
  );
  await database.query(
    `INSERT INTO verification.attempt_counters (tenant, counter_key, attempt_count, last_attempt_at, recognized_attempts,
      lock_level, granted, charged_lock, remaining)
    SELECT 'tenant', 'counter ' || n, 1, now(), '{}', 0, true, false, 2 FROM generate_series(1, ${STORED}) n`,
  );
  await database.query(
    `INSERT INTO verification.attempts (attempt_id, command_id, tenant, agent, counter_key, number, counted_at, granted,
      charged_lock, remaining)
    SELECT attempt_id, command_id, 'tenant', 'agent', replace(command_id, 'command', 'counter'), 1, received_at, true, false, 2
    FROM verification.commands`,
  );
  await database.query('ANALYZE');
});

afterAll(() => tables.close());

describe('the plans of the attempt gate', () => {
  it.each([
    ['counting', COUNT_ATTEMPTS],
    ['deciding', DECIDE_ATTEMPTS],
  ])('scan no whole table for the few rows of a batch when %s', async (_, statement) => {
    const rows = Array.from({ length: BATCH }, () => ({ attempt_id: randomUUID(), command_id: randomUUID() }));
    const plans = [
      await tables.database.query<Record<string, string>>(`EXPLAIN (GENERIC_PLAN) ${statement}`),
      await tables.database.query<Record<string, string>>(`EXPLAIN ${statement}`, [JSON.stringify(rows), BATCH]),
    ].map((lines) => lines.map((line) => line['QUERY PLAN']).join('\n'));
    for (const plan of plans) {
      expect(plan).toMatch(/Index Scan using attempts_pkey|Insert on attempts/);
      expect(plan).not.toMatch(/Seq Scan on (commands|attempts|attempt_counters)/);
    }
  });
});
