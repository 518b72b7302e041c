import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { CountersOnRecord1764000800001 } from '../../migrations/1764000800001-counters-on-record.js';
import { VERIFICATION_MIGRATIONS } from '../../migrations/index.js';
import { attemptOf, POLICY, spentOf } from './attempt.store.contract.js';
import { PostgresAttemptStore } from './attempt.store.js';
import { TEST_HASH } from './test-tables.js';

describe('counters of a release that kept no record of them', () => {
  let url: string;
  let drop: () => Promise<void>;

  beforeEach(async () => {
    ({ url, drop } = await createTestDatabase());
  });
  afterEach(() => drop());

  const open = (migrations: typeof VERIFICATION_MIGRATIONS): Promise<Database> =>
    openDatabase({ url, schema: 'verification', migrations, applicationName: 'test' });

  it('go on as they are, with their locks and known callers, and what differs from the ledger is refused', async () => {
    const before = VERIFICATION_MIGRATIONS.indexOf(CountersOnRecord1764000800001);
    const old = await open(VERIFICATION_MIGRATIONS.slice(0, before));
    const all = old.forAllTenants();
    await all.query(
      `INSERT INTO verification.guards (tenant, guard_key, tries, recent, lock_level, locked_until, granted, charged_lock,
         attempts_left, touched_at, failures, callers)
       SELECT 'acme', key, 2, ARRAY[clock_timestamp()], 1, until, true, false, 1, now(), 2, callers
       FROM (VALUES ('open', NULL::timestamptz, '{}'::text[]), ('locked', clock_timestamp() + interval '1 day', '{}'),
         ('owned', NULL, '{owner}'), ('ahead', NULL, '{}')) AS g(key, until, callers)`,
    );
    await all.query(
      `INSERT INTO verification.attempts (attempt_id, command_id, tenant, agent, guard_key, number, granted, charged_lock,
         attempts_left, spent_at)
       SELECT gen_random_uuid(), 'c', 'acme', 'desk', guard_key, n, true, false, 1, touched_at - make_interval(secs => 2 - n)
       FROM verification.guards, generate_series(1, CASE guard_key WHEN 'ahead' THEN 1 ELSE 2 END) n`,
    );
    await old.close();

    const now = await open(VERIFICATION_MIGRATIONS);
    const store = new PostgresAttemptStore(now, TEST_HASH, () => undefined);
    const oneLane = { ...POLICY, strangersPerWindow: 0 };
    const guess = (guardKey: string, policy = oneLane) =>
      store.spend(attemptOf({ guardKey, caller: 'owner' }), policy).then(spentOf);
    expect(await guess('open')).toMatchObject({ number: 3, granted: true, left: 1 });
    expect(await guess('locked')).toMatchObject({ number: 3, granted: false, left: 0 });
    expect(await guess('owned', { ...POLICY, strangersPerWindow: 3 })).toMatchObject({ number: 3, stranger: false });
    await expect(guess('ahead')).rejects.toMatchObject({ code: 'COUNTER_BROKEN' });
    await now.close();
  });
});
