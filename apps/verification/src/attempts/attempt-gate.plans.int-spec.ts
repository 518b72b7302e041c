import { randomUUID } from 'node:crypto';
import { Inbox, Outbox, type Transaction } from '@countersign/persistence';
import { tableScans } from '@countersign/testing';
import { attemptOf, outcomeOf, POLICY } from '../../test/attempt-gate.contract.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import { PostgresReceiptStore } from '../receipts/receipt.store.js';
import { Retention } from '../retention/retention.store.js';
import { FIND_DISABLED, FIND_LOCKED, FIND_WITHOUT_CREDENTIAL } from '../subjects/subject-state.store.js';
import { UnnamedCounters } from '../subjects/unnamed-counters.store.js';
import { FIND_SUBJECTS } from '../subjects/subject.sql.js';
import { countParameters, decideParameters } from './gate/attempt-gate.parameters.js';
import { COUNT_ATTEMPTS, FIND_COMMAND } from './gate/attempt-gate.sql.js';
import { countedAttempt, type CountedRow } from './gate/attempt-gate.store.js';
import { DECIDE_ATTEMPTS } from './attempt-outcomes.sql.js';

/** As many attempts as one statement decides under load. */
const BATCH = 24;
const STORED = 20_000;
/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 8;
const TENANT = 'tenant';

let tables: TestTables;

/** Rows from n, one for each stored subject. */
const STORE = [
  `subjects (tenant, subject_id, incarnation, version, profile) SELECT '${TENANT}', subject, id, 1, '' FROM n`,
  `subject_phones SELECT '${TENANT}', 'phone of ' || subject, subject, '' FROM n`,
  `subject_keys SELECT '${TENANT}', subject, 'k1', '' FROM n`,
  `credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
   SELECT '${TENANT}', subject, 'pin', 1, 'k1', '', 10, 'epoch' FROM n`,
  `recognized_callers SELECT '${TENANT}', subject, 'pin', 'earlier caller', '' FROM n`,
  `versions (tenant, subject_id, part, version) SELECT '${TENANT}', subject, 'pin', 1 FROM n`,
  `inbox (consumer, message_id) SELECT 'subject-commands', subject FROM n`,
  `commands (command_id, fingerprint, attempt_id, received_at, repeat_until)
   SELECT 'command of ' || subject, '', id, now() - interval '1 day', now() - interval '1 day' FROM n`,
  `attempts (attempt_id, command_id, tenant, agent, call_id, counter_key, number, counted_at, granted, charged_lock, remaining,
     state_after)
   SELECT id, 'command of ' || subject, '${TENANT}', 'agent', id, subject, 1, now(), true, false, 2,
     ROW('{}', 0, NULL, '{}', 0, NULL, 0, 0, false)::verification.counter_state FROM n`,
  `attempt_counters (tenant, counter_key, subject_id, attempt_count, last_attempt_at, recognized_attempts, lock_level, granted,
     charged_lock, remaining)
   SELECT '${TENANT}', subject, subject, 1, now(), '{}', 0, true, false, 2 FROM n`,
  `counter_adjustments (tenant, counter_key, number, state_after, recognized_callers)
   SELECT '${TENANT}', subject, 0, ROW('{}', 0, NULL, '{}', 0, NULL, 0, 0, false)::verification.counter_state, '{}' FROM n`,
];

beforeAll(async () => {
  tables = await openTestTables(1);
  await tables.database.transaction(async (tx) => {
    // Without checks of foreign keys, which take most of the time.
    await tx.query('SET LOCAL session_replication_role = replica');
    for (const rows of STORE)
      await tx.query(
        `WITH n AS MATERIALIZED (
           SELECT 'subject ' || n AS subject, md5(n::text)::uuid AS id FROM generate_series(1, ${STORED}) n
         )
         INSERT INTO verification.${rows}`,
      );
  });
  await tables.database.query('ANALYZE');
});

afterAll(() => tables.close());

const batchOf = (execution: number): string[] =>
  Array.from({ length: BATCH }, (_, at) => `subject ${execution * BATCH + at + 1}`);

const references = (batch: readonly string[]): string => {
  const one = { tenant: TENANT, kind: 'phone', method: 'pin' };
  return JSON.stringify(batch.map((subject, place) => ({ ...one, place, ref: `phone of ${subject}` })));
};

/** Finds, counts and decides successful attempts at stored subjects, as the stores do. */
async function verify(tx: Transaction, batch: readonly string[]): Promise<void> {
  expect(await tx.prepared('find', FIND_SUBJECTS, [references(batch)])).toHaveLength(batch.length);
  // A quiet service looks one subject up at a time, and must not plan that each time.
  expect(await tx.prepared('find one', FIND_SUBJECTS, [references(batch.slice(0, 1))])).toHaveLength(1);
  const attempts = batch.map((subject) =>
    attemptOf({ tenant: TENANT, referenceKey: subject, subject, caller: 'caller', callId: randomUUID() }),
  );
  type Row = CountedRow & { attempt_id: string };
  const params = countParameters(attempts.map((attempt) => ({ attempt, policy: POLICY })));
  const rows = await tx.prepared<Row>('count', COUNT_ATTEMPTS, params);
  const outcomes = attempts.map((attempt) => {
    const row = rows.find((one) => one.attempt_id === attempt.attemptId) as Row;
    const compared = { tenant: TENANT, subject: attempt.subject, kind: 'pin', version: 1, enrolledAt: '0' } as never;
    const outcome = {
      ...outcomeOf(attempt, countedAttempt(row.attempt_id, row), 'verified'),
      compared,
      sealedCaller: '00',
    };
    return { outcome, messages: [], reply: null, replyTag: '' };
  });
  const decided = await tx.prepared<{ decided: boolean }>('decide', DECIDE_ATTEMPTS, decideParameters(outcomes));
  expect(decided.map((row) => row.decided)).toEqual(batch.map(() => true));
  await tx.prepared('repeat', FIND_COMMAND, [attempts[0]?.commandId]);
}

/** The tables that statements of this transaction have read from end to end. */
const scannedTables = (tx: Transaction): Promise<unknown[]> =>
  tx.query(`SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'verification' AND seq_scan > 0`);

it('the statements of a verification scan no table, inside functions too, and keep their plans', async () => {
  await tables.database.transaction(async (tx) => {
    const [outbox, inbox] = [new Outbox(tables.database), new Inbox(tables.database)];
    for (let execution = 0; execution < EXECUTIONS; execution++) {
      await verify(tx, batchOf(execution));
      await inbox.claim(tx, 'subject-commands', randomUUID());
      await outbox.add(tx, [{ id: randomUUID(), topic: 'topic', key: 'key', headers: {}, value: '{}' }]);
    }
    expect(await scannedTables(tx)).toEqual([]);
    await tx.query('SELECT count(*) FROM verification.inbox');
    expect(await scannedTables(tx)).toContainEqual({ relname: 'inbox' });
    const kept = await tx.query<{ name: string; generic: string }>(
      `SELECT name, generic_plans AS generic FROM pg_prepared_statements WHERE name IN ('find', 'find one', 'count', 'decide') ORDER BY 1`,
    );
    expect(kept.map(({ name, generic }) => [name, Number(generic) > 0])).toEqual([
      ['count', true],
      ['decide', true],
      ['find', true],
      ['find one', true],
    ]);
  });
});

it('purges and the search for counters without a subject scan no table, also by statistics by which all commands have expired', async () => {
  const { service } = tables;
  const before = await tableScans(service, 'verification');
  const retention = new Retention(service, { decoyDays: 37, inboxDays: 8 });
  // The stored attempts have no outcome, so their commands stay.
  expect(await retention.purge()).toEqual({ decoys: 0, commands: 0, inbox: 0 });
  expect(await new PostgresReceiptStore(service, () => undefined).purge()).toBe(0);
  await new UnnamedCounters(service, TEST_HASH).run();
  expect(await tableScans(service, 'verification')).toEqual(before);
});

it('a verification that locks nobody changes no index of the attempt counters', async () => {
  await tables.database.transaction(async (tx) => {
    const updates = async (): Promise<{ all: number; inPlace: number }> => {
      const [row] = await tx.query<{ all: number; inPlace: number }>(
        `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS "inPlace" FROM pg_stat_xact_user_tables
         WHERE relname = 'attempt_counters'`,
      );
      return row ?? { all: 0, inPlace: 0 };
    };
    const before = await updates();
    // Far from each other, so each page has room.
    await verify(tx, ['subject 9000', 'subject 15000']);
    const after = await updates();
    expect([after.all - before.all, after.inPlace - before.inPlace]).toEqual([4, 4]);
  });
});

it('lists of locked and of disabled subjects begin at their counters, and one of subjects without credential at 5,000 subjects', async () => {
  const database = tables.database;
  await database.query(
    `UPDATE verification.attempt_counters SET unrecognized_locked_until = now() - interval '1 s' * (hashtext(subject_id) % 900)
     WHERE hashtext(subject_id) % 5 = 0`,
  );
  await database.query(`UPDATE verification.attempt_counters SET disabled = true WHERE subject_id LIKE 'subject 99%'`);
  await database.query('VACUUM ANALYZE verification.attempt_counters');
  // As the service reads them, under row-level security.
  const planOf = async (statement: string, params: readonly unknown[]): Promise<string> => {
    const rows = await tables.service
      .forTenants([TENANT])
      .query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, COSTS OFF) ${statement}`, params);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  const plans = await Promise.all([
    planOf(FIND_LOCKED, [TENANT, 'subject 3', 51]),
    planOf(FIND_DISABLED, [TENANT, '', 51]),
    planOf(FIND_WITHOUT_CREDENTIAL, [TENANT, '', 51, 5_000]),
  ]);
  const [locked, disabled, without] = plans;
  for (const plan of plans) expect(plan).not.toMatch(/Seq Scan|Hash|Sort/);
  expect(locked).toMatch(/Index.* using attempt_counters_locked.*\n.*Index Cond: .*GREATEST/);
  expect(disabled).toContain('using attempt_counters_disabled');
  expect(without).toContain('using subjects_in_order');
});
