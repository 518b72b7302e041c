import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { FactRecorded, message } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/sealing';
import { afterSuccess, type CallState } from '../domain/call-state.js';
import { attemptOf, POLICY, spentOf, verdictOf } from './attempt.store.contract.js';
import { PostgresAttemptStore } from './attempt.store.js';
import { PostgresCallStore } from './call.store.js';
import { PostgresErasures } from './erasure.store.js';
import { PostgresReceiptStore } from './receipt.store.js';
import { PostgresSubjectStore } from './subject.store.js';
import { credentialOf } from './subject.store.contract.js';
import { openTestTables, type TestTables } from './test-tables.js';

jest.setTimeout(60_000);

let tables: TestTables;
let service: Database;
let database: Database;
let attempts: PostgresAttemptStore;
let calls: PostgresCallStore;
let receipts: PostgresReceiptStore;
let subjects: PostgresSubjectStore;
let erasures: PostgresErasures;
const key = (): Secret => new Secret(randomBytes(32).toString('base64url'));
const keyring = new Keyring(new Secret(`k1:${key().reveal()}`));
const hash = new KeyedHash(key());
const none = (): void => undefined;
const reported: object[] = [];

beforeAll(async () => {
  tables = await openTestTables();
  ({ service, database } = tables);
  attempts = new PostgresAttemptStore(service, hash, none);
  const report = (found: object): Promise<void> => Promise.resolve(void reported.push(found));
  calls = new PostgresCallStore(service, hash, report);
  receipts = new PostgresReceiptStore(service, none);
  subjects = new PostgresSubjectStore(service, keyring, hash, none);
  erasures = new PostgresErasures(service, hash, none);
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
const minutes = (count: number): string => new Date(Date.now() + count * 60_000).toISOString();

/** Closes a verified try with this state of its call. */
async function succeed(callId: string, more: Partial<CallState> & Pick<CallState, 'subject'>): Promise<CallState> {
  const attempt = attemptOf();
  const verdict = verdictOf(attempt, spentOf(await attempts.spend(attempt, POLICY)), 'verified');
  const state: CallState = {
    agent: 'desk',
    level: 'verified',
    verificationId: attempt.attemptId,
    verifiedAt: minutes(0),
    expiresAt: minutes(15),
    ...more,
  };
  await attempts.close({ ...verdict, call: { callId, ...state } });
  return state;
}

describe('states of calls in PostgreSQL', () => {
  it('are what the pure function says, success after success', async () => {
    const [alice, bob] = [await withoutPhone(), await withoutPhone()];
    const levels = ['identified', 'verified'] as const;
    for (let round = 0; round < 40; round++) {
      const callId = randomUUID();
      let expected: CallState | undefined;
      for (let step = 0; step < 4; step++) {
        const bits = randomBytes(3);
        const success = await succeed(callId, {
          subject: (bits[0] ?? 0) % 2 ? alice : bob,
          level: levels[(bits[1] ?? 0) % 2] ?? 'verified',
          verifiedAt: minutes(step),
          // Some are over when the next one comes.
          expiresAt: minutes((bits[2] ?? 0) % 2 ? step + 0.5 : step + 15),
        });
        expected = afterSuccess(expected, success);
        expect(await stored(callId)).toEqual(expected);
      }
    }
  });

  it('are written for many calls, and for one call many times, in one moment', async () => {
    const subject = await withoutPhone();
    const ids = Array.from({ length: 60 }, (_, at) => `busy-${at % 12}`);
    await Promise.all(ids.map((callId) => succeed(callId, { subject })));
    for (const callId of new Set(ids)) expect(await calls.find('acme', callId)).toMatchObject({ subject });
  });

  it('are nobody else’s, end with their time, and are then removed', async () => {
    const [callId, over] = [randomUUID(), randomUUID()];
    const subject = await withoutPhone();
    const state = await succeed(callId, { subject, verifiedAt: minutes(0.1) });
    await succeed(over, { subject, verifiedAt: minutes(-20), expiresAt: minutes(-5) });
    expect(await calls.find('acme', callId)).toEqual(state);
    expect(await calls.find('umbrella', callId)).toBeUndefined();
    expect(await calls.find('acme', over)).toBeUndefined();
    expect(await calls.forget()).toBeGreaterThanOrEqual(1);
    expect(await stored(over)).toBeUndefined();
    expect(await stored(callId)).toEqual(state);
  });

  it.each([
    ['gives it to another subject', `subject_id = 'SUBJECT'`, 'altered'],
    ['raises its level', `level = 'verified'`, 'altered'],
    ['lengthens its time', `expires_at = expires_at + interval '1 hour'`, 'altered'],
    ['moves it to another call', `call_id = call_id || '-other'`, 'altered'],
    ['takes its proof away', 'tag = NULL', 'untagged'],
  ])('count for nobody when somebody %s, and are reported', async (_, set, reason) => {
    const [callId, subject, other] = [randomUUID(), await withoutPhone(), await withoutPhone()];
    await succeed(callId, { subject, level: 'identified' });
    expect(await calls.find('acme', callId)).toMatchObject({ subject });
    reported.length = 0;
    await database.query(`UPDATE verification.calls SET ${set.replace('SUBJECT', other)} WHERE call_id = $1`, [callId]);
    expect(await calls.find('acme', set.includes('call_id') ? `${callId}-other` : callId)).toBeUndefined();
    expect(reported).toMatchObject([{ what: 'call', reason, tenant: 'acme' }]);
  });

  it('count for nobody when their verdict came after the subject was erased, even if it exists anew', async () => {
    const [callId, subject] = [randomUUID(), await withoutPhone()];
    const verifiedAt = minutes(-1);
    await erasures.erase(randomUUID(), 'acme', subject);
    await succeed(callId, { subject, verifiedAt });
    expect(await calls.find('acme', callId)).toBeUndefined();
    await subjects.change(randomUUID(), 'acme', subject, {});
    expect(await calls.find('acme', callId)).toBeUndefined();
  });
});

describe('spent receipts in PostgreSQL', () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const fact = (): FactRecorded =>
    message(FactRecorded, { factId: randomUUID(), kind: 'receipt.consumed', time: minutes(0), tenant: 'acme' });
  const receiptOf = (subject: string) => ({
    ...{ tenant: 'acme', subject, jti: randomUUID() },
    ...{ issuedAt: now(), expiresAt: now() + 300 },
  });

  it('pass once of fifty at once, in one tenant, with one fact', async () => {
    const receipt = receiptOf(await withoutPhone());
    const before = await facts('receipt.consumed');
    const ids = Array.from({ length: 50 }, () => randomUUID());
    const won = await Promise.all(ids.map((id) => receipts.consume(id, receipt, fact())));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await receipts.consume(ids[won.indexOf(true)] ?? '', receipt, fact())).toBe(true);
    expect(await receipts.isGood(receipt)).toBe(false);
    expect((await facts('receipt.consumed')) - before).toBe(1);
  });

  it('are good until their time is over or their subject is erased', async () => {
    const subject = await withoutPhone();
    expect(await receipts.isGood(receiptOf(subject))).toBe(true);
    for (const bad of [
      { ...receiptOf(subject), expiresAt: now() - 1 },
      { ...receiptOf(subject), tenant: 'umbrella' },
      { ...receiptOf(subject), issuedAt: now() - 60 },
      receiptOf('nobody'),
    ]) {
      expect([await receipts.isGood(bad), await receipts.consume(randomUUID(), bad, fact())]).toEqual([false, false]);
    }
    await erasures.erase(randomUUID(), 'acme', subject);
    expect(await receipts.isGood(receiptOf(subject))).toBe(false);
  });

  it('are removed when their time is long over', async () => {
    const receipt = receiptOf(await withoutPhone());
    await receipts.consume(randomUUID(), receipt, fact());
    expect(await receipts.forget()).toBe(0);
    await database.query(`UPDATE verification.receipts_consumed SET expires_at = expires_at - interval '1 hour'`);
    expect(await receipts.forget()).toBeGreaterThanOrEqual(1);
  });
});

describe('a subject in PostgreSQL', () => {
  it('has a key of its own, which opens its profile and no other, and which is changed by no change', async () => {
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

  it('whose key a restored dump does not have is nameless, keeps its credentials, and can be changed', async () => {
    const subject = await withoutPhone();
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf());
    await database.query('DELETE FROM verification.subject_keys WHERE subject_id = $1', [subject]);
    const found = await subjects.find('acme', 'id', subject, 'pin');
    expect([found.displayName, found.credential?.version]).toEqual([undefined, 1]);
    await subjects.change(randomUUID(), 'acme', subject, { displayName: 'Anew' });
    expect(await subjects.find('acme', 'id', subject, 'pin')).toMatchObject({ displayName: 'Anew' });
  });

  it('whose profile is under the keyring itself is read, and gets a key with its next change', async () => {
    const subject = `customer-${randomUUID()}`;
    const old = keyring.wrap(JSON.stringify({ displayName: 'Old' }), ['profile', 'acme', subject, '1']);
    await database.query(
      `WITH versions AS (
         INSERT INTO verification.versions (tenant, subject_id, part, version) VALUES ('acme', $1, 'profile', 1))
       INSERT INTO verification.subjects (tenant, subject_id, version, profile_key_id, profile)
       VALUES ('acme', $1, 1, $2, $3)`,
      [subject, old.keyId, old.bytes],
    );
    expect(await subjects.find('acme', 'id', subject, 'pin')).toMatchObject({ displayName: 'Old' });
    await subjects.change(randomUUID(), 'acme', subject, { locale: 'en-US' });
    expect(await subjects.find('acme', 'id', subject, 'pin')).toMatchObject({ displayName: 'Old', locale: 'en-US' });
    expect(await rowsOf(subject, 'subject_keys')).toBe(1);
  });

  it('is gone with all its rows when it is erased, and its counter of guesses is not', async () => {
    const subject = await newSubject();
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf());
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf({ replaces: 1 }));
    const callId = randomUUID();
    await succeed(callId, { subject });
    const { guardKey } = await subjects.find('acme', 'id', subject, 'pin');
    const guess = async () => spentOf(await attempts.spend(attemptOf({ guardKey, subject }), POLICY));
    for (let n = 0; n < 3; n++) await guess();
    const commandId = randomUUID();
    expect(await erasures.erase(commandId, 'acme', subject)).toBe(true);
    expect(await erasures.erase(commandId, 'acme', subject)).toBe(true);
    expect(await erasures.erase(randomUUID(), 'acme', subject)).toBe(false);
    for (const table of ['subjects', 'subject_phones', 'credentials', 'subject_keys', 'calls']) {
      expect([table, await rowsOf(subject, table)]).toEqual([table, 0]);
    }
    expect(await facts('subject.erased', subject)).toBe(1);
    const decoy = await database.query('SELECT subject_id, callers FROM verification.guards WHERE guard_key = $1', [
      guardKey,
    ]);
    expect(decoy).toEqual([{ subject_id: null, callers: [] }]);

    await subjects.change(randomUUID(), 'acme', subject, { phones: ['+12025550123'] });
    expect((await subjects.find('acme', 'id', subject, 'pin')).guardKey).toBe(guardKey);
    expect(await guess()).toMatchObject({ granted: false, number: 4 });
  });
});

async function stored(callId: string): Promise<CallState | undefined> {
  const [row] = await database.query<{ state: CallState }>(
    `SELECT jsonb_build_object('agent', agent, 'level', level, 'subject', subject_id, 'verificationId', verification_id,
       'verifiedAt', to_char(verified_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       'expiresAt', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS state
     FROM verification.calls WHERE tenant = 'acme' AND call_id = $1`,
    [callId],
  );
  return row?.state;
}

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
