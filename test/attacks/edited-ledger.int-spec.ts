import { randomBytes, randomUUID } from 'node:crypto';
import { Keyring, DecryptionError, Secret } from '@countersign/crypto';
import { openNamesKey, recordKeys } from '@countersign/stored-secrets';
import { createLogger } from '@countersign/observability';
import { type AttemptToCount, type CountResult } from '../../apps/verification/src/attempts/attempts.ports.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../apps/verification/test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../../apps/verification/src/attempts/gate/attempt-gate.store.js';
import { TamperReports } from '../../apps/verification/src/integrity/tamper-reports.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../apps/verification/test/test-tables.js';

/** Attacks with the service's own database role, by writing to the ledger, commands or consumed receipts. */
let tables: TestTables;
let attempts: PostgresAttemptGate;

beforeAll(async () => {
  tables = await openTestTables();
  const { report } = new TamperReports(tables.service, createLogger('test', 'silent'), () => undefined);
  attempts = new PostgresAttemptGate(tables.service, TEST_HASH, () => undefined, undefined, report);
});

afterAll(() => tables.close());

const alter = (statement: string, params: unknown[] = []): Promise<unknown[]> =>
  tables.service.forAllTenants().query(statement, params);

const again = (attempt: AttemptToCount, fingerprint = attempt.fingerprint): Promise<CountResult> =>
  attempts.count({ ...attempt, attemptId: randomUUID(), fingerprint }, POLICY);

async function rejected(more: Partial<AttemptToCount> = {}): Promise<AttemptToCount> {
  const attempt = attemptOf(more);
  await attempts.decide(outcomeOf(attempt, countedOf(await attempts.count(attempt, POLICY)), 'rejected'));
  return attempt;
}

it('the outcome and the stored reply of an attempt cannot be removed, so nothing is compared again', async () => {
  const attempt = await rejected();
  for (const set of ['outcome = NULL, decided_at = NULL, reply_tag = NULL', 'reply_tag = NULL', `reply = '{}'`])
    await expect(
      alter(`UPDATE verification.attempts SET ${set} WHERE attempt_id = $1`, [attempt.attemptId]),
    ).rejects.toThrow();
  expect(await again(attempt)).toMatchObject({ kind: 'answered', reply: { outcome: 'rejected' } });
});

it.each([
  ['grants an attempt that was refused', 'granted = NOT granted'],
  ['moves an attempt to another counter', `counter_key = repeat('0', 64)`],
  ['gives an attempt another number', 'number = number + 1'],
  ['dates an attempt later, so that its verification holds longer', `counted_at = counted_at + interval '1 day'`],
  ['gives an attempt to another subject', `subject_id = 'mallory'`],
  ['gives an attempt to another agent', `agent = 'mallory'`],
  ['clears the counter as the ledger has it', 'state_after = NULL'],
  ['lets a success clear the lock of unrecognized callers', 'unrecognized = NOT unrecognized'],
  ['lets a success enable a disabled credential', 'charged_disable = NOT charged_disable'],
])('a write to the ledger that %s is refused by the database', async (_, set) => {
  const attempt = attemptOf({ subject: 'alice' });
  countedOf(await attempts.count(attempt, POLICY));
  const where = 'WHERE attempt_id = $1';
  await expect(alter(`UPDATE verification.attempts SET ${set} ${where}`, [attempt.attemptId])).rejects.toThrow();
  expect(await again(attempt)).toMatchObject({ kind: 'unanswered', attempt: { granted: true, number: 1 } });
});

it('the last attempts cannot be removed from the ledger to set a counter back to an older state', async () => {
  const referenceKey = randomUUID();
  for (let n = 0; n < 3; n++) await rejected({ referenceKey, subject: 'alice' });
  await expect(alter('DELETE FROM verification.attempts WHERE number > 1')).rejects.toThrow();
});

it('an attempt without an outcome accepts no other submitted secret under its command', async () => {
  const attempt = attemptOf();
  countedOf(await attempts.count(attempt, POLICY));
  const other = 'e'.repeat(64);
  for (const statement of [
    `UPDATE verification.commands SET fingerprint = '${other}' WHERE command_id = $1`,
    `UPDATE verification.commands SET repeat_until = 'epoch' WHERE command_id = $1`,
    'DELETE FROM verification.commands WHERE command_id = $1',
  ])
    await expect(alter(statement, [attempt.commandId])).rejects.toThrow();
  expect(await again(attempt, other)).toEqual({ kind: 'mismatch' });
  expect(await again(attempt)).toMatchObject({ kind: 'unanswered' });
});

it.each([
  'DELETE FROM verification.consumed_receipts',
  `UPDATE verification.consumed_receipts SET jti = gen_random_uuid()`,
  `UPDATE verification.consumed_receipts SET expires_at = 'epoch'`,
  `UPDATE verification.consumed_receipts SET command_id = 'mine'`,
])('a consumed receipt stays consumed after the statement %s', async (statement) => {
  await alter(
    `INSERT INTO verification.consumed_receipts (tenant, jti, command_id, expires_at)
     VALUES ('acme', $1, 'c', clock_timestamp() + interval '5 minutes')`,
    [randomUUID()],
  );
  await expect(alter(statement)).rejects.toThrow();
});

it('the key that names counters can be neither removed, which would start every counter again, nor replaced', async () => {
  const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
  const made = await openNamesKey(tables.service, keyring);
  const held = { setting: 'verification.names_key', keys: made.checks, names: true };
  expect(await recordKeys(tables.service, [held])).toBeUndefined();
  await expect(alter('DELETE FROM verification.names_key')).rejects.toThrow();
  const other = keyring.wrap(randomBytes(32).toString('base64url'), ['another']);
  await alter('UPDATE verification.names_key SET wrapped = $1', [other.bytes]);
  await expect(openNamesKey(tables.service, keyring)).rejects.toThrow(DecryptionError);
  // The owner of the table can empty it. The next start detects that its new key is not the recorded one.
  await tables.database.query('TRUNCATE verification.names_key');
  const anew = await openNamesKey(tables.service, keyring);
  expect(await recordKeys(tables.service, [{ ...held, keys: anew.checks }])).toMatchObject({ setting: held.setting });
});
