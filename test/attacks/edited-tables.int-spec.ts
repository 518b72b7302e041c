import { randomBytes, randomUUID } from 'node:crypto';
import { createLogger } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { storedPhoneOf } from '../../apps/verification/src/integrity/stored-names.js';
import { type FoundSubject } from '../../apps/verification/src/subjects/subjects.ports.js';
import { attemptOf, POLICY, countedOf } from '../../apps/verification/test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../../apps/verification/src/attempts/gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from '../../apps/verification/src/subjects/erasure/erasure.store.js';
import { ArgonPinVault } from '../../apps/verification/src/credentials/pin-vault.store.js';
import { credentialOf } from '../../apps/verification/test/subject-store.contract.js';
import { PostgresSubjectStore } from '../../apps/verification/src/subjects/subject.store.js';
import { TamperReports } from '../../apps/verification/src/integrity/tamper-reports.store.js';
import { openTestTables, type TestTables } from '../../apps/verification/test/test-tables.js';

/** Attacks with the service's own database role, by writing to subjects, telephone numbers and credentials. */
const [PIN, OTHER] = ['83729164', '19283746'];
const [PHONE, VICTIMS] = ['+12025550123', '+12025550199'];
const BROKEN = { code: 'CREDENTIAL_BROKEN', retriable: false };
const random = (): string => randomBytes(32).toString('base64url');
const keyring = new Keyring(new Secret(`k1:${random()}`));
const hash = new KeyedHash(new Secret(random()));
const wake = (): void => undefined;

let tables: TestTables;
let attacker: Database;
let subjects: PostgresSubjectStore;
let attempts: PostgresAttemptGate;
let erasures: PostgresSubjectErasure;
let vault: ArgonPinVault;

beforeAll(async () => {
  tables = await openTestTables();
  attacker = tables.service;
});

afterAll(() => tables.close());

beforeEach(async () => {
  const { report } = new TamperReports(tables.service, createLogger('test', 'silent'), wake);
  subjects = new PostgresSubjectStore(tables.service, keyring, hash, hash, wake, report);
  attempts = new PostgresAttemptGate(tables.service, hash, wake, () => false, report);
  erasures = new PostgresSubjectErasure(tables.service, keyring, hash, hash, wake);
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  vault = await ArgonPinVault.open({ keyring, cost, concurrency: 2, queueLimit: 10, report });
  await tables.database.query('TRUNCATE verification.subjects, verification.versions, verification.outbox CASCADE');
});

const alter = (statement: string): Promise<unknown[]> => attacker.forAllTenants().query(statement);

const change = (subject: string, profile: object): Promise<string> =>
  subjects.change(randomUUID(), 'acme', subject, profile);

async function enrol(subject: string, pin: string, mustChange = false): Promise<void> {
  const enrolled = await subjects.enrolled(randomUUID(), 'acme', subject, 'pin');
  const wrap = await vault.prepare(pin, 'acme', enrolled?.inForce);
  const credential = credentialOf({ replaces: enrolled?.version ?? 0, cap: 10, mustChange, wrap });
  expect(await subjects.enrol(randomUUID(), 'acme', subject, credential)).toMatch(/created|updated/);
}

const find = (kind: 'id' | 'phone', ref: string): Promise<FoundSubject> =>
  subjects.find('acme', kind, kind === 'id' ? ref : storedPhoneOf(hash, 'acme', ref), 'pin');

/** Whether a submitted PIN is right, as a verification decides it. */
async function verify(kind: 'id' | 'phone', ref: string, guess: string): Promise<boolean> {
  const { credential } = await find(kind, ref);
  const slot = vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
  try {
    return (await slot?.compare(countedOf(await attempts.count(attemptOf(), POLICY)), guess, credential)) ?? false;
  } finally {
    slot?.release();
  }
}

/** The reports so far, and how often each was made. */
async function findings(): Promise<unknown[]> {
  const rows = await tables.database.query<{ payload: string }>('SELECT payload FROM verification.outbox ORDER BY seq');
  return rows
    .map(({ payload }) => JSON.parse(payload) as { kind: string; subject?: string; detail: object })
    .filter(({ kind }) => kind === 'credential.broken')
    .map(({ subject, detail }) => ({ subject, ...detail }));
}

/** Saves the current rows of a subject. @returns a function that restores them */
async function keep(subject: string, ...names: string[]): Promise<() => Promise<void>> {
  const kept = await Promise.all(
    names.map(async (table) => {
      const where = `tenant = 'acme' AND subject_id = '${subject}'`;
      const rows = await alter(`SELECT t::text AS text FROM verification.${table} t WHERE ${where}`);
      return { table, where, texts: (rows as { text: string }[]).map(({ text }) => text) };
    }),
  );
  return async () => {
    for (const { table, where } of [...kept].reverse()) await alter(`DELETE FROM verification.${table} WHERE ${where}`);
    for (const { table, texts } of kept)
      for (const text of texts)
        await attacker
          .forAllTenants()
          .query(`INSERT INTO verification.${table} SELECT ($1::text::verification.${table}).*`, [text]);
  };
}

describe('a write to a credential', () => {
  it.each([
    ['raises its cap', 'cap = 100'],
    ['says that the PIN need not be changed', 'must_change = false'],
    ['gives it another time', "enrolled_at = enrolled_at - interval '1 microsecond'"],
  ])('that %s verifies no PIN, and is reported', async (_, set) => {
    await change('alice', {});
    await enrol('alice', PIN, true);
    expect(await verify('id', 'alice', PIN)).toBe(true);
    await alter(`UPDATE verification.credentials SET ${set}`);
    await expect(verify('id', 'alice', PIN)).rejects.toMatchObject(BROKEN);
    expect(await findings()).toEqual([{ subject: 'alice', what: 'credential', reason: 'altered' }]);
  });

  it('that restores a whole row from before the last enrolment verifies no PIN, and the owner can get a new one', async () => {
    await change('alice', {});
    await enrol('alice', PIN);
    const putBack = await keep('alice', 'credentials');
    await enrol('alice', OTHER);
    await putBack();
    await expect(verify('id', 'alice', PIN)).rejects.toMatchObject(BROKEN);
    expect(await findings()).toEqual([{ subject: 'alice', what: 'credential', reason: 'rolled_back' }]);
    await enrol('alice', '42718305');
    expect(await verify('id', 'alice', '42718305')).toBe(true);
  });

  it('that gives the row of an older PIN the version of the current one verifies no PIN', async () => {
    await change('alice', {});
    await enrol('alice', PIN);
    const putBack = await keep('alice', 'credentials');
    await enrol('alice', OTHER);
    await putBack();
    await alter('UPDATE verification.credentials SET version = 2');
    await expect(verify('id', 'alice', PIN)).rejects.toMatchObject(BROKEN);
  });

  it('that restores the rows of an erased subject finds no subject, before and after the same id is created again', async () => {
    await change('alice', { phones: [PHONE] });
    await enrol('alice', PIN);
    const putBack = await keep('alice', 'subjects', 'subject_keys', 'subject_phones', 'credentials');
    await erasures.erase(randomUUID(), 'acme', 'alice');
    await putBack();
    for (const [kind, ref] of [
      ['id', 'alice'],
      ['phone', PHONE],
    ] as const)
      await expect(verify(kind, ref, PIN)).rejects.toMatchObject(BROKEN);
    expect(await findings()).toEqual([{ subject: 'alice', what: 'profile', reason: 'rolled_back' }]);
    await erasures.erase(randomUUID(), 'acme', 'alice');
    await change('alice', { phones: [PHONE] });
    await enrol('alice', OTHER);
    await putBack();
    await expect(verify('id', 'alice', PIN)).rejects.toMatchObject(BROKEN);
  });
});

describe('a write to the record of versions', () => {
  it.each([
    ['takes the latest one away', 'DELETE FROM verification.versions WHERE version = 2'],
    ['changes one', 'UPDATE verification.versions SET version = version + 5'],
    ['empties it', 'TRUNCATE verification.versions'],
  ])('that %s is refused by the database', async (_, statement) => {
    await change('alice', {});
    await enrol('alice', PIN);
    await enrol('alice', OTHER);
    await expect(alter(statement)).rejects.toThrow();
    expect(await verify('id', 'alice', OTHER)).toBe(true);
  });

  it('that adds a version makes no credential current', async () => {
    await change('alice', {});
    await enrol('alice', PIN);
    await alter("INSERT INTO verification.versions VALUES ('acme', 'alice', 'pin', 9)");
    await expect(verify('id', 'alice', PIN)).rejects.toMatchObject(BROKEN);
    await enrol('alice', OTHER);
    expect(await verify('id', 'alice', OTHER)).toBe(true);
  });
});

describe('a write to a telephone number', () => {
  beforeEach(async () => {
    await change('mallory', { phones: [PHONE] });
    await change('victim', { phones: [VICTIMS] });
    await enrol('mallory', PIN);
    await enrol('victim', OTHER);
  });

  it('that assigns it to another subject finds no subject, and is reported', async () => {
    expect((await find('phone', VICTIMS)).id).toBe('victim');
    await alter(`UPDATE verification.subject_phones SET subject_id = 'mallory' WHERE subject_id = 'victim'`);
    await expect(verify('phone', VICTIMS, PIN)).rejects.toMatchObject(BROKEN);
    expect(await findings()).toEqual([{ subject: 'mallory', what: 'phone', reason: 'altered' }]);
    expect(await verify('phone', PHONE, PIN)).toBe(true);
    expect(await change('mallory', { displayName: 'M' }).catch((error: unknown) => error)).toMatchObject(BROKEN);
    expect(await change('mallory', { phones: [PHONE] })).toBe('updated');
    expect(await change('victim', { phones: [VICTIMS] })).toBe('updated');
    expect(await verify('phone', VICTIMS, OTHER)).toBe(true);
  });

  it('that copies it with its tag from another number finds no subject', async () => {
    await alter(`UPDATE verification.subject_phones p SET subject_id = o.subject_id, tag = o.tag
      FROM verification.subject_phones o WHERE p.subject_id = 'victim' AND o.subject_id = 'mallory'`);
    await expect(find('phone', VICTIMS)).rejects.toMatchObject(BROKEN);
  });

  it('that restores a number that the subject had earlier finds no subject', async () => {
    const putBack = await keep('mallory', 'subject_phones');
    await change('mallory', { phones: [] });
    await change('victim', { phones: [VICTIMS, PHONE] });
    await alter(`DELETE FROM verification.subject_phones WHERE subject_id = 'victim'`);
    await putBack();
    await expect(verify('phone', PHONE, PIN)).rejects.toMatchObject(BROKEN);
  });

  it('that restores both number and profile finds no subject', async () => {
    const putBack = await keep('mallory', 'subjects', 'subject_keys', 'subject_phones', 'credentials');
    await change('mallory', { phones: [], displayName: 'M' });
    await putBack();
    await expect(verify('phone', PHONE, PIN)).rejects.toMatchObject(BROKEN);
    expect(await findings()).toEqual([{ subject: 'mallory', what: 'profile', reason: 'rolled_back' }]);
    expect(await change('mallory', { displayName: 'M' }).catch((error: unknown) => error)).toMatchObject(BROKEN);
  });

  it('leaves the number bound to the subject when another part of the subject changes', async () => {
    await change('victim', { displayName: 'Victoria', locale: 'en-US' });
    expect((await find('phone', VICTIMS)).displayName).toBe('Victoria');
    const both = await Promise.all(['A', 'B', 'C'].map((displayName) => change('fresh', { displayName })));
    expect(both.sort()).toEqual(['created', 'updated', 'updated']);
    expect((await find('id', 'fresh')).id).toBe('fresh');
  });
});
