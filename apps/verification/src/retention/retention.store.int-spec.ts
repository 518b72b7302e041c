import { randomUUID } from 'node:crypto';
import { type Database } from '@countersign/persistence';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { ageCounters } from '../../test/aged-counters.js';
import { Retention } from './retention.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

const DAY = 86_400;

describe('retention in PostgreSQL', () => {
  let tables: TestTables;
  let service: Database;
  let database: Database;
  let store: PostgresAttemptGate;
  let retention: Retention;

  beforeAll(async () => {
    tables = await openTestTables();
    ({ service, database } = tables);
    store = new PostgresAttemptGate(service, TEST_HASH, () => undefined);
    retention = new Retention(service, { decoyDays: 37, inboxDays: 8 });
    await database.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       VALUES ('acme', 'alice', gen_random_uuid(), 1, '')`,
    );
  });
  afterAll(() => tables.close());
  beforeEach(() =>
    database.query('TRUNCATE verification.attempt_counters, verification.commands, verification.attempts CASCADE'),
  );

  const attempted = async (more: Parameters<typeof attemptOf>[0], isDecided = true): Promise<void> => {
    const attempt = attemptOf(more);
    const counted = countedOf(await store.count(attempt, POLICY));
    if (isDecided) await store.decide(outcomeOf(attempt, counted, 'rejected'));
  };
  const age = async (seconds: number): Promise<void> => {
    await ageCounters(database, seconds);
    await database.query('UPDATE verification.commands SET repeat_until = repeat_until - make_interval(secs => $1)', [
      seconds,
    ]);
  };
  const rowsOf = async (table: string): Promise<number> =>
    (await database.query(`SELECT 1 FROM verification.${table}`)).length;

  it('purges a decoy without an attempt for long, with its ledger, and its next attempt has the number 1', async () => {
    const referenceKey = randomUUID();
    const long = { ...POLICY, lockSeconds: 39 * DAY, maxLockSeconds: 39 * DAY };
    for (let n = 0; n < 4; n++) await store.count(attemptOf({ referenceKey }), long);
    await attempted({ referenceKey: randomUUID(), subject: 'alice' });
    await age(36 * DAY);
    expect(await retention.purge()).toMatchObject({ decoys: 0 });
    await age(2 * DAY);
    expect(await retention.purge()).toMatchObject({ decoys: 0 });
    await age(2 * DAY);
    expect(await retention.purge()).toMatchObject({ decoys: 1 });
    expect([await rowsOf('attempt_counters'), await rowsOf('attempts')]).toEqual([1, 1]);
    const again = await store.count(attemptOf({ referenceKey }), POLICY);
    expect(countedOf(again)).toMatchObject({ number: 1, granted: true });
  });

  it('keeps the counter of a subject, however old it is', async () => {
    await attempted({ subject: 'alice' });
    await age(4000 * DAY);
    expect(await retention.purge()).toMatchObject({ decoys: 0 });
    expect([await rowsOf('attempt_counters'), await rowsOf('attempts')]).toEqual([1, 1]);
  });

  it('keeps a counter that was altered to look like an old decoy', async () => {
    for (let n = 0; n < 3; n++) await attempted({ subject: 'alice' });
    await database.query(
      `UPDATE verification.attempt_counters SET subject_id = NULL, last_attempt_at = last_attempt_at - interval '60 days',
         locked_until = NULL, unrecognized_locked_until = NULL`,
    );
    expect(await retention.purge()).toMatchObject({ decoys: 0 });
    await database.query('TRUNCATE verification.attempt_counters, verification.attempts CASCADE');
    await attempted({ subject: 'alice' });
    await age(60 * DAY);
    await database.query('UPDATE verification.attempt_counters SET subject_id = NULL');
    expect(await retention.purge()).toMatchObject({ decoys: 0 });
    await database.query('DELETE FROM verification.subjects');
    expect(await retention.purge()).toMatchObject({ decoys: 1 });
  });

  it('purges commands in batches after their replies are no longer repeated, and keeps those without an outcome', async () => {
    await attempted({ subject: 'alice' });
    await attempted({ subject: 'alice' }, false);
    await database.query(
      `INSERT INTO verification.commands (command_id, fingerprint, attempt_id, received_at, repeat_until)
       SELECT 'old ' || n, 'f', gen_random_uuid(), clock_timestamp(), clock_timestamp() - interval '1 day'
       FROM generate_series(1, 2500) n`,
    );
    expect(await retention.purge()).toMatchObject({ commands: 2500 });
    await age(2 * 3600);
    expect(await retention.purge()).toMatchObject({ commands: 1 });
    expect(await rowsOf('commands')).toBe(1);
  });
});
