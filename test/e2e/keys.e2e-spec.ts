import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ensureSecretFiles } from '@countersign/installation';
import { Keyring, Secret } from '@countersign/crypto';
import { MemoryBroker } from '@countersign/messaging';
import { openDatabase, type Database } from '@countersign/persistence';
import { credentialContext, subjectKeyContext } from '@countersign/stored-secrets';
import { createTestDatabase } from '@countersign/testing';
import { VERIFICATION_MIGRATIONS } from '../../apps/verification/migrations/index.js';
import { start } from '../../apps/verification/src/start.js';

jest.setTimeout(180_000);

const SUBJECTS = 1200;
const key = (id: string): string => `${id}:${randomBytes(32).toString('base64url')}`;
const folder = mkdtempSync(join(tmpdir(), 'countersign-keys-'));
const file = join(folder, 'CREDENTIAL_KEYS');
const old = key('k1');
let identifierKey = '';
let owner: number;
const ringOf = (): Keyring => new Keyring(new Secret(readFileSync(file, 'utf8')));

let url: string;
let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  // A file that other users can read. As root it belongs to the user of the services, who must be able to read its successor.
  writeFileSync(file, old, { mode: 0o644 });
  if (process.getuid?.() === 0) chownSync(file, 10_001, 10_001);
  owner = statSync(file).uid;
  identifierKey = (await ensureSecretFiles(join(folder, 'secrets'))).values.IDENTIFIER_KEY;
  const test = await createTestDatabase();
  ({ url } = test);
  drop = () => test.drop();
  database = await openDatabase({
    url,
    schema: 'verification',
    migrations: VERIFICATION_MIGRATIONS,
    as: 'administrator',
    applicationName: 'test',
  });
  await seed(new Keyring(new Secret(old)));
});

afterAll(async () => {
  await database.close();
  await drop();
  rmSync(folder, { recursive: true, force: true });
});

async function seed(keyring: Keyring): Promise<void> {
  const ids = Array.from({ length: SUBJECTS }, (_, n) => `s${n}`);
  const bound = { version: 1, cap: 10, mustChange: false, enrolledAt: '0' };
  const row = (subject: string): string[] => credentialContext({ kind: 'pin', tenant: 'acme', subject, ...bound });
  await database.query(
    `WITH r AS (
       SELECT * FROM unnest($1::text[], $2::bytea[]) AS r(id, own_key)
     ), subjects AS (
       INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       SELECT 'acme', id, gen_random_uuid(), 1, '' FROM r
     )
     INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped)
     SELECT 'acme', id, 'k1', own_key FROM r`,
    [ids, ids.map((id) => keyring.wrap('key', subjectKeyContext('acme', id)).bytes)],
  );
  await database.query(
    `INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
     SELECT 'acme', id, 'pin', 1, 'k1', wrapped, 10, 'epoch' FROM unnest($1::text[], $2::bytea[]) AS r(id, wrapped)`,
    [ids, ids.map((id) => keyring.wrap(`hash of ${id}`, row(id)).bytes)],
  );
}

/** Runs the command of the build as a process. */
function countersign(...args: string[]): Promise<[number, string, string]> {
  const main = join(process.cwd(), 'dist', 'bin', 'cli.js');
  const env = {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: url,
    CREDENTIAL_KEYS_FILE: file,
    IDENTIFIER_KEY: identifierKey,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env }, (error, out, err) =>
      resolve([error === null ? 0 : Number(error.code), out, err]),
    );
  });
}

async function startWith(ring: string): Promise<unknown> {
  const { values } = await ensureSecretFiles(join(folder, 'secrets'));
  const env = { ...values, DATABASE_URL: url, CREDENTIAL_KEYS: ring, LOG_LEVEL: 'silent' };
  const broker = new MemoryBroker();
  const fatal = (): void => undefined;
  try {
    return await start(env, fatal, { broker, ops: false }).then((service) => service.close().then(() => 'started'));
  } catch (error) {
    return error;
  } finally {
    await broker.close();
  }
}

test('keys are rotated in the file, every row is encrypted again, and the old key can be removed', async () => {
  expect(await countersign('keys', 'status')).toEqual([
    0,
    expect.stringMatching(/credentials +k1 +1200 +encrypts/),
    '',
  ]);

  const [code, made] = await countersign('keys', 'rotate', '--last');
  expect([code, made]).toEqual([0, expect.stringContaining('created the key k2')]);
  expect(ringOf().first).toBe('k1');
  expect((await countersign('keys', 'use', 'k2'))[0]).toBe(0);
  expect(ringOf().first).toBe('k2');
  expect([statSync(file).mode & 0o777, statSync(file).uid]).toEqual([0o600, owner]);
  for (const secret of readFileSync(file, 'utf8').split(',')) expect(made).not.toContain(secret.split(':')[1]);

  const [status, report] = await countersign('keys', 'rewrap');
  expect([status, report]).toEqual([0, expect.stringMatching(/credentials +1200 +0\n.*subject keys +1200 +0/)]);
  expect(report).toMatch(/2400 rows under the key k2, \d+ per second/);
  const anew = readFileSync(file, 'utf8').split(',')[0] ?? '';
  expect(await startWith(anew)).toBe('started');
  expect(await startWith(old)).toMatchObject({ code: 'SETTINGS_INVALID', retriable: false });
  const refused = (await startWith(old)) as Error;
  expect(refused.message).toContain('CREDENTIAL_KEYS must hold the key k2');
  expect(refused.message).not.toContain(old.slice(3));
});

test('commands refuse keys with which the tables were not written, until the loss is accepted', async () => {
  const right = identifierKey;
  const other = randomBytes(32).toString('base64url');
  identifierKey = other;
  for (const command of [
    ['attempts', 'check'],
    ['keys', 'status'],
  ]) {
    const [code, , err] = await countersign(...command);
    expect([code, err]).toEqual([1, expect.stringContaining('IDENTIFIER_KEY must hold the key')]);
  }
  expect(await countersign('keys', 'accept-loss', 'ADMIN_API_KEY')).toEqual([
    1,
    '',
    expect.stringContaining('name one of IDENTIFIER_KEY'),
  ]);
  const stated = expect.stringContaining('every limit and every override of a limit') as string;
  expect(await countersign('keys', 'accept-loss', 'IDENTIFIER_KEY')).toEqual([
    1,
    stated,
    expect.stringContaining('Nothing was changed. To accept the loss, add --yes.'),
  ]);
  expect((await countersign('keys', 'status'))[0]).toBe(1);
  expect(await losses()).toEqual([]);
  expect(await countersign('keys', 'accept-loss', 'IDENTIFIER_KEY', '--yes')).toEqual([0, stated, '']);
  expect((await countersign('keys', 'status'))[0]).toBe(0);
  expect(await losses()).toEqual([{ setting: 'IDENTIFIER_KEY', lost: true }]);
  expect((await countersign('keys', 'accept-loss', 'IDENTIFIER_KEY', '--yes'))[0]).toBe(1);
  identifierKey = right;
});

test('start and commands refuse a keyring with other bytes under the right id, and the number of altered rows is reported', async () => {
  const right = readFileSync(file, 'utf8');
  expect(await startWith(key('k2'))).toMatchObject({ code: 'SETTINGS_INVALID' });
  writeFileSync(file, key('k2'));
  expect(await countersign('keys', 'rewrap')).toEqual([1, '', expect.stringContaining('the key k2 as it was')]);
  writeFileSync(file, right);

  await database.query(`UPDATE verification.credentials SET version = 7 WHERE subject_id = 's5'`);
  await countersign('keys', 'rotate');
  const [code, out, err] = await countersign('keys', 'rewrap');
  expect([code, out]).toEqual([1, expect.stringMatching(/credentials +1199 +1/)]);
  expect(err).toContain('no key decrypts 1 rows');
});

test('counters that differ from their ledger are listed, and are restored to its state with an event', async () => {
  const [right, back, gap, edited, mute, gone] = ['1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(64));
  await database.query(
    `INSERT INTO verification.attempt_counters (tenant, counter_key, attempt_count, recognized_attempts, lock_level, granted,
       charged_lock, remaining, last_attempt_at)
     SELECT 'acme', g, 2, '{}', 0, true, false, 1, '2026-11-23T10:00:02Z' FROM unnest($1::text[]) g`,
    [[right, back, gap, edited, mute]],
  );
  await database.query(
    `INSERT INTO verification.attempts (attempt_id, command_id, tenant, agent, counter_key, subject_id, number, granted,
       charged_lock, remaining, counted_at)
     SELECT gen_random_uuid(), 'c', 'acme', 'desk', g, CASE WHEN g <> $2 THEN 'alice' END, n, true, false, 3 - n,
       '2026-11-23T10:00:00Z'::timestamptz + make_interval(secs => n)
     FROM unnest($1::text[]) g, generate_series(1, 2) n`,
    [[right, back, gap, edited, mute, gone], edited],
  );
  await database.query(
    `UPDATE verification.attempts a SET state_after = verification.counter_state_of(g) FROM verification.attempt_counters g
     WHERE g.counter_key = a.counter_key AND a.number = 2`,
  );
  expect((await countersign('attempts', 'check'))[1]).toMatch(
    new RegExp(`${gone} +- +the counter is missing, the ledger has 2 attempts`),
  );
  await database.query(`DELETE FROM verification.attempts WHERE counter_key = '${gone}'`);
  expect(await countersign('attempts', 'check')).toEqual([0, 'every counter agrees with its ledger\n', '']);

  await database.query(`UPDATE verification.attempt_counters SET attempt_count = 1 WHERE counter_key = '${back}'`);
  await database.query(`DELETE FROM verification.attempts WHERE counter_key = '${gap}' AND number = 1`);
  await database.query(
    `UPDATE verification.attempt_counters SET lock_level = 1, failures = 3, recognized_callers = '{c}', subject_id = 's1'
     WHERE counter_key = '${edited}'`,
  );
  await database.query(`INSERT INTO verification.recognized_callers VALUES ('acme', 's1', 'pin', 'c', '')`);
  await database.query(`UPDATE verification.attempts SET state_after = NULL WHERE counter_key = '${mute}'`);
  const [code, out] = await countersign('attempts', 'check');
  expect(code).toBe(1);
  expect(out).toMatch(new RegExp(`acme +${back} +1 +too low: the ledger has 2 attempts`));
  expect(out).toMatch(new RegExp(`acme +${gap} +2 +the ledger lacks 1 of 2 rows`));
  expect(out).toMatch(
    new RegExp(`acme +${edited} +2 +differs from the ledger: failures, lock_level, recognized_callers`),
  );
  expect(out).toMatch(new RegExp(`acme +${mute} +2 +the ledger lacks the state of the counter after the last attempt`));
  expect(out).not.toContain(right);

  await database.query(`DELETE FROM verification.attempts WHERE counter_key IN ('${gap}', '${mute}') AND number = 2`);
  for (const reference of [gap, mute, 'nobody'] as string[])
    expect((await countersign('attempts', 'restore', 'acme', reference))[0]).toBe(1);
  await database.query(
    `DELETE FROM verification.attempt_counters WHERE counter_key IN ('${gap}', '${mute}', '${right}')`,
  );
  await database.query(`DELETE FROM verification.attempts WHERE counter_key IN ('${gap}', '${mute}')`);
  for (const reference of [right, back, edited] as string[]) {
    const restored = [0, 'restored the counter from its ledger, after 2 attempts\n', ''];
    expect(await countersign('attempts', 'restore', 'acme', reference)).toEqual(restored);
  }
  expect(await countersign('attempts', 'check')).toEqual([0, 'every counter agrees with its ledger\n', '']);
  const facts = await database.query<{ payload: string }>(
    `SELECT payload FROM verification.outbox WHERE payload LIKE '%credential.restored%' ORDER BY seq`,
  );
  const restored = { tenant: 'acme', subject: 'alice', detail: { what: 'counter', tries: 2 } };
  expect(facts.map(({ payload }) => JSON.parse(payload) as unknown)).toMatchObject([
    { ...restored, subjectKey: right },
    { ...restored, subjectKey: back },
    // Enrolled after the last attempt, so only the counter states the subject.
    { ...restored, subjectKey: edited, subject: 's1' },
  ]);
  const named = await database.query(
    'SELECT counter_key FROM verification.attempt_counters WHERE subject_id IS NOT NULL',
  );
  expect(named).toEqual([{ counter_key: edited }]);
  // The restored counter has no recognized caller.
  expect(await database.query('SELECT FROM verification.recognized_callers')).toEqual([]);
});

/** The details of the events about lost keys that wait for publication. */
async function losses(): Promise<unknown[]> {
  const facts = await database.query<{ payload: string }>(
    `SELECT payload FROM verification.outbox WHERE payload LIKE '%"lost":true%' ORDER BY seq`,
  );
  return facts.map(({ payload }) => (JSON.parse(payload) as { detail: unknown }).detail);
}

test('a lost keyring loses the names key too, and only its accepted loss makes a new names key', async () => {
  const keyring = readFileSync(file, 'utf8');
  await database.query('TRUNCATE verification.subjects, verification.subject_keys CASCADE');
  expect(await startWith(keyring)).toBe('started');
  const lost = key('k9');
  expect(await startWith(lost)).toMatchObject({ code: 'SETTINGS_INVALID' });
  writeFileSync(file, lost);
  const [code, out] = await countersign('keys', 'accept-loss', 'CREDENTIAL_KEYS', '--yes');
  expect([code, out]).toEqual([0, expect.stringContaining('every attempt counter, lock, recognized caller')]);
  expect(await losses()).toEqual([{ setting: 'CREDENTIAL_KEYS', lost: true, namesKey: true }]);
  expect(await startWith(lost)).toBe('started');
  expect(await startWith(keyring)).toMatchObject({ code: 'SETTINGS_INVALID' });
});

test('the loss of the names key alone is accepted with an event of its own, also after its row was removed', async () => {
  const keyring = readFileSync(file, 'utf8');
  expect(await countersign('keys', 'accept-loss', 'CREDENTIAL_KEYS', '--yes')).toMatchObject({ 0: 0 });
  // Of the keyring nothing is recorded any more, but the names key is.
  expect(await losses()).toEqual([{ setting: 'CREDENTIAL_KEYS', lost: true }]);
  await database.query('TRUNCATE verification.names_key');
  for (const makesRow of [false, true]) {
    // A start makes a names key, refuses it because another one is recorded, and leaves it in the table.
    if (makesRow) expect(await startWith(keyring)).toMatchObject({ code: 'SETTINGS_INVALID' });
    expect(await countersign('keys', 'accept-loss', 'CREDENTIAL_KEYS')).toEqual([
      1,
      expect.stringContaining('The names key, which it encrypted, is lost too'),
      expect.stringContaining('--yes'),
    ]);
  }
  expect(await countersign('keys', 'accept-loss', 'CREDENTIAL_KEYS', '--yes')).toMatchObject({ 0: 0 });
  expect((await losses()).at(-1)).toEqual({ setting: 'CREDENTIAL_KEYS', lost: true, namesKey: true });
  expect(await startWith(keyring)).toBe('started');
});

test('a loss is not accepted while verification runs', async () => {
  const { values } = await ensureSecretFiles(join(folder, 'secrets'));
  const env = { ...values, DATABASE_URL: url, CREDENTIAL_KEYS: readFileSync(file, 'utf8'), LOG_LEVEL: 'silent' };
  const broker = new MemoryBroker();
  const service = await start(env, () => undefined, { broker, ops: false });
  const stop = expect.stringContaining('First stop every copy of verification.') as string;
  expect(await countersign('keys', 'accept-loss', 'IDENTIFIER_KEY', '--yes')).toMatchObject({ 0: 1, 2: stop });
  expect((await countersign('keys', 'status'))[0]).toBe(0);
  await service.close();
  expect(await countersign('keys', 'accept-loss', 'IDENTIFIER_KEY', '--yes')).toMatchObject({ 0: 0 });
  await broker.close();
});
