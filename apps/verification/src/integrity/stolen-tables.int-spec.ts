import { randomBytes, randomUUID } from 'node:crypto';
import { createLogger } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { countToRewrap, keyFault, rewrap, WRAPPED_COLUMNS } from '@countersign/stored-secrets';
import { type StoredCredential } from '../credentials/credential.decision.js';
import { attemptOf, countedOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { ArgonPinVault } from '../credentials/pin-vault.store.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { TamperReports } from './tamper-reports.store.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

/** Attacks by someone who can read or write the tables and has no key. */
const PIN = '83729164';
const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
const COST = { memoryKib: 64, passes: 1, lanes: 1 };
const random = (): string => randomBytes(32).toString('base64url');
const ring = `k1:${random()}`;
const keyring = new Keyring(new Secret(ring));
const hash = new KeyedHash(new Secret(random()));

let tables: TestTables;
let service: Database;
let database: Database;
let subjects: PostgresSubjectStore;
let attempts: PostgresAttemptGate;
let vault: ArgonPinVault;

beforeAll(async () => {
  tables = await openTestTables();
  ({ service, database } = tables);
  await build();
});

afterAll(() => tables.close());

/** As a start does it: what was reported before may be reported again. */
async function build(): Promise<void> {
  const wake = (): void => undefined;
  const { report } = new TamperReports(service, createLogger('test', 'silent'), wake);
  subjects = new PostgresSubjectStore(service, keyring, hash, hash, wake, report);
  attempts = new PostgresAttemptGate(service, hash, wake, () => false, report);
  vault = await ArgonPinVault.open({ keyring, cost: COST, concurrency: 2, queueLimit: 10, report });
}

beforeEach(async () => {
  await build();
  await database.query('TRUNCATE verification.subjects, verification.attempt_counters, verification.outbox CASCADE');
  await database.query('TRUNCATE verification.attempts, verification.commands');
});

async function enrol(tenant: string, subject: string, pin: string): Promise<void> {
  await subjects.change(randomUUID(), tenant, subject, { displayName: 'Alex' });
  const enrolled = await subjects.enrolled(randomUUID(), tenant, subject, 'pin');
  const wrap = await vault.prepare(pin, 'acme', enrolled?.inForce);
  const credential = credentialOf({ replaces: enrolled?.version ?? 0, cap: 50, wrap });
  await subjects.enrol(randomUUID(), tenant, subject, credential);
}

async function stored(tenant: string, subject: string): Promise<StoredCredential> {
  const { credential } = await subjects.find(tenant, 'id', subject, 'pin');
  if (credential === undefined) throw new Error('nothing is enrolled');
  return credential;
}

/** With the proof of a try that was counted, as the gate gives it. */
async function compare(guess: string, credential: StoredCredential, by = vault): Promise<boolean> {
  const slot = by.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
  try {
    const counted = countedOf(await attempts.count(attemptOf(), POLICY));
    return (await slot?.compare(counted, guess, credential)) ?? false;
  } finally {
    slot?.release();
  }
}

async function findings(): Promise<unknown[]> {
  const rows = await database.query<{ payload: string }>('SELECT payload FROM verification.outbox ORDER BY seq');
  return rows
    .map(({ payload }) => JSON.parse(payload) as { kind: string; tenant: string; subject?: string; detail: object })
    .filter(({ kind }) => kind === 'credential.broken')
    .map(({ tenant, subject, detail }) => ({ tenant, subject, ...detail }));
}

describe('the tables without the keyring', () => {
  it('contain no readable hash, and decrypt with no other key under the same id', async () => {
    await enrol('acme', 'alice', PIN);
    const tables = await database.query<{ table_name: string }>(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'verification'`,
    );
    for (const { table_name: table } of tables) {
      const rows = await database.query<{ text: string }>(`SELECT t::text AS text FROM verification.${table} t`);
      for (const needle of ['$argon2', PIN, 'Alex']) {
        for (const form of [needle, Buffer.from(needle).toString('hex')]) {
          expect(rows.filter(({ text }) => text.includes(form))).toEqual([]);
        }
      }
    }
    const thief = new Keyring(new Secret(`k1:${random()}`));
    const other = await ArgonPinVault.open({ keyring: thief, cost: COST, concurrency: 1, queueLimit: 1 });
    const credential = await stored('acme', 'alice');
    expect(await compare(PIN, credential)).toBe(true);
    await expect(compare(PIN, credential, other)).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    expect(await keyFault(database, thief)).toMatch(/the key k1 as it was/);
  });

  it('have no encrypted column that a change of keys would miss', async () => {
    const columns = await database.query<{ name: string }>(
      `SELECT 'verification.' || table_name || '.' || column_name AS name FROM information_schema.columns
       WHERE table_schema = 'verification' AND data_type = 'bytea' AND column_name <> 'reply_tag' ORDER BY 1`,
    );
    const known = WRAPPED_COLUMNS.map(({ table, bytesColumn }) => `${table}.${bytesColumn}`).sort();
    // Encrypted under the subject's own key, and the column of that key is among those above.
    const underOwnKey = ['verification.recognized_callers.sealed', 'verification.subjects.profile'];
    expect([...known, ...underOwnKey].sort()).toEqual(columns.map(({ name }) => name));
  });
});

describe('a write to the tables', () => {
  it('that swaps the credentials of two subjects verifies neither, and is reported', async () => {
    await enrol('acme', 'alice', PIN);
    await enrol('acme', 'bob', '19283746');
    await database.query(
      `UPDATE verification.credentials c SET wrapped = o.wrapped FROM verification.credentials o
       WHERE c.tenant = o.tenant AND c.subject_id <> o.subject_id`,
    );
    for (const [subject, guess] of [
      ['alice', '19283746'],
      ['bob', PIN],
    ] as const) {
      await expect(compare(guess, await stored('acme', subject))).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    }
    expect(await findings()).toEqual([
      { tenant: 'acme', subject: 'alice', what: 'credential', reason: 'altered' },
      { tenant: 'acme', subject: 'bob', what: 'credential', reason: 'altered' },
    ]);
  });

  it('that copies a hash to another subject or tenant verifies nobody, and is reported once', async () => {
    await enrol('acme', 'alice', PIN);
    await enrol('acme', 'mallory', '19283746');
    await enrol('other', 'alice', '19283746');
    await database.query(
      `UPDATE verification.credentials SET wrapped = (SELECT wrapped FROM verification.credentials
         WHERE tenant = 'acme' AND subject_id = 'alice')`,
    );
    expect(await compare(PIN, await stored('acme', 'alice'))).toBe(true);
    for (const [tenant, subject] of [
      ['acme', 'mallory'],
      ['other', 'alice'],
      ['other', 'alice'],
    ] as const) {
      await expect(compare(PIN, await stored(tenant, subject))).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    }
    expect(await findings()).toHaveLength(2);
  });

  it('that raises a cap is detected after a change of keys too, and other credentials still decrypt', async () => {
    await enrol('acme', 'alice', PIN);
    await enrol('acme', 'bob', PIN);
    const k2 = random();
    const both = new Keyring(new Secret(`k2:${k2},${ring}`));
    expect(await countToRewrap({ database, keyring: both })).toBe(4);
    expect(await rewrap({ database, keyring: both })).toContainEqual({
      ...{ column: 'credentials', rewrapped: 2, broken: 0 },
    });
    expect(await keyFault(database, new Keyring(new Secret(`k2:${k2}`)))).toBeUndefined();
    await database.query("UPDATE verification.credentials SET cap = 100 WHERE subject_id = 'bob'");
    const anew = await ArgonPinVault.open({ keyring: both, cost: COST, concurrency: 1, queueLimit: 9 });
    subjects = new PostgresSubjectStore(service, both, hash, hash, () => undefined);
    expect(await compare(PIN, await stored('acme', 'alice'), anew)).toBe(true);
    await expect(compare(PIN, await stored('acme', 'bob'), anew)).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
  });

  it('that swaps profiles is refused before anything is compared, and is reported', async () => {
    await enrol('acme', 'alice', PIN);
    await database.query('UPDATE verification.subjects SET profile = profile || profile');
    await expect(subjects.find('acme', 'id', 'alice', 'pin')).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    expect(await findings()).toEqual([{ tenant: 'acme', subject: 'alice', what: 'profile', reason: 'altered' }]);
  });

  it.each([
    ['sets a counter back', 'UPDATE verification.attempt_counters SET attempt_count = attempt_count - 1'],
    [
      'sets a counter to zero and lifts its lock',
      "UPDATE verification.attempt_counters SET attempt_count = 0, unrecognized_attempts = '{}', unrecognized_locked_until = NULL",
    ],
    ['removes a counter', 'DELETE FROM verification.attempt_counters'],
  ])('that %s gains no attempt, and is reported', async (_, statement) => {
    const referenceKey = randomUUID().replaceAll('-', '').repeat(2);
    const attempt = () => attemptOf({ tenant: 'acme', referenceKey, subject: 'alice' });
    for (let n = 0; n < 4; n++) countedOf(await attempts.count(attempt(), POLICY));
    await database.query(statement);
    const refused = attempt();
    await expect(attempts.count(refused, POLICY)).rejects.toMatchObject({ code: 'COUNTER_BROKEN', retriable: false });
    await expect(attempts.count(refused, POLICY)).rejects.toMatchObject({ code: 'COUNTER_BROKEN' });
    expect(await findings()).toEqual([{ tenant: 'acme', subject: 'alice', what: 'counter', reason: 'below_ledger' }]);
    const [ledger] = await database.query('SELECT count(*)::int AS rows FROM verification.attempts');
    expect(ledger).toEqual({ rows: 4 });
  });
});
