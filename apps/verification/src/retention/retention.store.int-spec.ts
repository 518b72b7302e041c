import { randomUUID } from 'node:crypto';
import { type Database } from '@countersign/persistence';
import { attemptOf, POLICY, spentOf, verdictOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/attempt-gate.store.js';
import { ageCounters } from '../../test/aged-counters.js';
import { Retention } from './retention.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

const DAY = 86_400;

describe('what is left behind', () => {
  let tables: TestTables;
  let service: Database;
  let database: Database;
  let store: PostgresAttemptGate;
  let leftovers: Retention;

  beforeAll(async () => {
    tables = await openTestTables();
    ({ service, database } = tables);
    store = new PostgresAttemptGate(service, TEST_HASH, () => undefined);
    leftovers = new Retention(service, { decoyDays: 37, inboxDays: 8 });
  });
  afterAll(() => tables.close());
  beforeEach(() =>
    database.query('TRUNCATE verification.attempt_counters, verification.commands, verification.attempts CASCADE'),
  );

  const guess = async (more: Parameters<typeof attemptOf>[0], verdict = true): Promise<void> => {
    const attempt = attemptOf(more);
    const spent = spentOf(await store.count(attempt, POLICY));
    if (verdict) await store.decide(verdictOf(attempt, spent, 'rejected'));
  };
  const age = async (seconds: number): Promise<void> => {
    await ageCounters(database, seconds);
    await database.query('UPDATE verification.commands SET repeat_until = repeat_until - make_interval(secs => $1)', [
      seconds,
    ]);
  };
  const left = async (table: string): Promise<number> =>
    (await database.query(`SELECT 1 FROM verification.${table}`)).length;

  it('is removed when it is a decoy that nobody guessed at for long, with its ledger, and counts from 1 again', async () => {
    const referenceKey = randomUUID();
    const long = { ...POLICY, lockSeconds: 39 * DAY, maxLockSeconds: 39 * DAY };
    for (let n = 0; n < 4; n++) await store.count(attemptOf({ referenceKey }), long);
    await guess({ referenceKey: randomUUID(), subject: 'alice' });
    await age(36 * DAY);
    expect(await leftovers.purge()).toMatchObject({ decoys: 0 });
    await age(2 * DAY);
    expect(await leftovers.purge()).toMatchObject({ decoys: 0 });
    await age(2 * DAY);
    expect(await leftovers.purge()).toMatchObject({ decoys: 1 });
    expect([await left('attempt_counters'), await left('attempts')]).toEqual([1, 1]);
    const again = await store.count(attemptOf({ referenceKey }), POLICY);
    expect(spentOf(again)).toMatchObject({ number: 1, granted: true });
  });

  it('stays when it is the counter of a subject, however old', async () => {
    await guess({ subject: 'alice' });
    await age(4000 * DAY);
    expect(await leftovers.purge()).toMatchObject({ decoys: 0 });
    expect([await left('attempt_counters'), await left('attempts')]).toEqual([1, 1]);
  });

  it('stays when somebody has made a counter look like a decoy that nobody guessed at for long', async () => {
    for (let n = 0; n < 3; n++) await guess({ subject: 'alice' });
    await database.query(
      `UPDATE verification.attempt_counters SET subject_id = NULL, last_attempt_at = last_attempt_at - interval '60 days',
         locked_until = NULL, unrecognized_locked_until = NULL`,
    );
    expect(await leftovers.purge()).toMatchObject({ decoys: 0 });
    await database.query('TRUNCATE verification.attempt_counters, verification.attempts CASCADE');
    await guess({ subject: 'alice' });
    await age(60 * DAY);
    await database.query('UPDATE verification.attempt_counters SET subject_id = NULL');
    await database.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile_key_id, profile)
       VALUES ('acme', 'alice', gen_random_uuid(), 1, 'k1', '')`,
    );
    expect(await leftovers.purge()).toMatchObject({ decoys: 0 });
    await database.query('DELETE FROM verification.subjects');
    expect(await leftovers.purge()).toMatchObject({ decoys: 1 });
  });

  it('is removed in pieces when it is a command whose answer is not given again, unless it has none yet', async () => {
    await guess({ subject: 'alice' });
    await guess({ subject: 'alice' }, false);
    await database.query(
      `INSERT INTO verification.commands (command_id, fingerprint, attempt_id, received_at, repeat_until, reply)
       SELECT 'old ' || n, 'f', gen_random_uuid(), clock_timestamp(), clock_timestamp() - interval '1 day', '{}'
       FROM generate_series(1, 2500) n`,
    );
    expect(await leftovers.purge()).toMatchObject({ commands: 2500 });
    await age(2 * 3600);
    expect(await leftovers.purge()).toMatchObject({ commands: 1 });
    expect(await left('commands')).toBe(1);
  });
});
