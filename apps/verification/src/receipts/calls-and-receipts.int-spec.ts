import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { type FactRecorded, factRecorded } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { attemptOf, POLICY, countedOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from '../subjects/erasure/erasure.store.js';
import { PostgresReceiptStore } from './receipt.store.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

jest.setTimeout(60_000);

let tables: TestTables;
let service: Database;
let database: Database;
let attempts: PostgresAttemptGate;
let receipts: PostgresReceiptStore;
let subjects: PostgresSubjectStore;
let erasures: PostgresSubjectErasure;
const key = (): Secret => new Secret(randomBytes(32).toString('base64url'));
const keyring = new Keyring(new Secret(`k1:${key().reveal()}`));
const hash = new KeyedHash(key());
const none = (): void => undefined;

beforeAll(async () => {
  tables = await openTestTables();
  ({ service, database } = tables);
  attempts = new PostgresAttemptGate(service, hash, none);
  receipts = new PostgresReceiptStore(service, none);
  subjects = new PostgresSubjectStore(service, keyring, hash, hash, none);
  erasures = new PostgresSubjectErasure(service, keyring, hash, hash, none);
});

afterAll(() => tables.close());

const newSubject = async (): Promise<string> => {
  const subject = `customer-${randomUUID()}`;
  await subjects.change(randomUUID(), 'acme', subject, { displayName: 'Alice Canary', phones: ['+12025550123'] });
  return subject;
};
const withoutPhone = async (): Promise<string> => {
  const subject = `customer-${randomUUID()}`;
  await subjects.change(randomUUID(), 'acme', subject, { displayName: 'Bob' });
  return subject;
};

describe('consumed receipts in PostgreSQL', () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const fact = (time: Date): FactRecorded => factRecorded('receipt.consumed', time, { tenant: 'acme' });
  const receiptOf = () => ({ tenant: 'acme', jti: randomUUID(), expiresAt: now() + 300 });

  it('are accepted once of fifty times at once, in one tenant, with one fact', async () => {
    const receipt = receiptOf();
    const before = await facts('receipt.consumed');
    expect(await receipts.isSpent(receipt)).toBe(false);
    const ids = Array.from({ length: 50 }, () => randomUUID());
    const won = await Promise.all(ids.map((id) => receipts.consume(id, receipt, fact)));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await receipts.consume(ids[won.indexOf(true)] ?? '', receipt, fact)).toBe(true);
    expect(await receipts.isSpent(receipt)).toBe(true);
    expect(await receipts.isSpent({ ...receipt, tenant: 'umbrella' })).toBe(false);
    expect((await facts('receipt.consumed')) - before).toBe(1);
  });

  it('are purged long after their end', async () => {
    const receipt = receiptOf();
    await receipts.consume(randomUUID(), receipt, fact);
    expect(await receipts.purge()).toBe(0);
    await database.query(`UPDATE verification.consumed_receipts SET expires_at = expires_at - interval '1 hour'`);
    expect(await receipts.purge()).toBeGreaterThanOrEqual(1);
  });
});

describe('a subject in PostgreSQL', () => {
  it('has a key of its own, which decrypts only its profile and stays with every change', async () => {
    const [alice, bob] = [await withoutPhone(), await withoutPhone()];
    expect(await subjects.find('acme', 'id', alice, 'pin')).toMatchObject({ displayName: 'Bob' });
    await subjects.change(randomUUID(), 'acme', alice, { displayName: 'Alice' });
    expect(await subjects.find('acme', 'id', alice, 'pin')).toMatchObject({ displayName: 'Alice' });
    await database.query(
      `UPDATE verification.subject_keys k SET wrapped = o.wrapped FROM verification.subject_keys o
       WHERE k.subject_id = $1 AND o.subject_id = $2`,
      [alice, bob],
    );
    await expect(subjects.find('acme', 'id', alice, 'pin')).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
  });

  it('has no name after a backup is restored without its key, keeps its credentials, and can be changed', async () => {
    const subject = await withoutPhone();
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf());
    await database.query('DELETE FROM verification.subject_keys WHERE subject_id = $1', [subject]);
    const found = await subjects.find('acme', 'id', subject, 'pin');
    expect([found.displayName, found.credential?.version]).toEqual([undefined, 1]);
    await subjects.change(randomUUID(), 'acme', subject, { displayName: 'Anew' });
    expect(await subjects.find('acme', 'id', subject, 'pin')).toMatchObject({ displayName: 'Anew' });
  });

  it('loses all its rows when it is erased, except its attempt counter', async () => {
    const subject = await newSubject();
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf());
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf({ replaces: 1 }));
    const { referenceKey } = await subjects.find('acme', 'id', subject, 'pin');
    const guess = async () => countedOf(await attempts.count(attemptOf({ referenceKey, subject }), POLICY));
    for (let n = 0; n < 3; n++) await guess();
    const commandId = randomUUID();
    expect(await erasures.erase(commandId, 'acme', subject)).toBe('erased');
    expect(await erasures.erase(commandId, 'acme', subject)).toBe('erased');
    expect(await erasures.erase(randomUUID(), 'acme', subject)).toBe('not_found');
    for (const table of ['subjects', 'subject_phones', 'credentials', 'subject_keys']) {
      expect([table, await rowsOf(subject, table)]).toEqual([table, 0]);
    }
    expect(await facts('subject.erased', subject)).toBe(1);
    const decoy = await database.query(
      'SELECT subject_id, recognized_callers AS callers FROM verification.attempt_counters WHERE counter_key = $1',
      [referenceKey],
    );
    expect(decoy).toEqual([{ subject_id: null, callers: [] }]);

    await subjects.change(randomUUID(), 'acme', subject, { phones: ['+12025550123'] });
    expect((await subjects.find('acme', 'id', subject, 'pin')).referenceKey).toBe(referenceKey);
    expect(await guess()).toMatchObject({ granted: false, number: 4 });
  });
});

async function rowsOf(subject: string, table: string): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM verification.${table} WHERE tenant = 'acme' AND subject_id = $1`,
    [subject],
  );
  return row?.n ?? -1;
}

async function facts(kind: string, subject?: string): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM verification.outbox
     WHERE payload::jsonb->>'kind' = $1 AND ($2::text IS NULL OR payload::jsonb->>'subject' = $2)`,
    [kind, subject ?? null],
  );
  return row?.n ?? -1;
}
