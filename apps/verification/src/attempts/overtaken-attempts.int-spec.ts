import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { message, VerificationDecided } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/crypto';
import { eventually } from '@countersign/testing';
import { type CredentialRow } from '../credentials/credential.decision.js';
import { type AttemptOutcome } from './attempts.ports.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from './gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from '../subjects/erasure/erasure.store.js';
import { RESET_FOR_NEW_CREDENTIAL } from './gate/attempt-counter.sql.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

// Thousands of statements, on machines that do other work beside them.
jest.setTimeout(120_000);

const TENANT = 'acme';
const OPEN = { ...POLICY, perWindow: 90, windowSeconds: 1 };
const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
const none = (): void => undefined;

let tables: TestTables;
let database: Database;
let subjects: PostgresSubjectStore;
let erasures: PostgresSubjectErasure;
let copies: PostgresAttemptGate[];

beforeAll(async () => {
  tables = await openTestTables(20);
  ({ database } = tables);
  subjects = new PostgresSubjectStore(tables.service, keyring, TEST_HASH, TEST_HASH, none);
  erasures = new PostgresSubjectErasure(tables.service, keyring, TEST_HASH, TEST_HASH, none);
  copies = [0, 1].map(() => new PostgresAttemptGate(tables.service, TEST_HASH, none));
});

afterAll(() => tables.close());

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

/** The bytes of each credential are its own, so that it is known again. */
async function enrol(subject: string): Promise<void> {
  await subjects.change(randomUUID(), TENANT, subject, { displayName: 'Alex' });
  const replaces = (await subjects.enrolled(randomUUID(), TENANT, subject, 'pin'))?.version ?? 0;
  const wrap = () => ({ keyId: 'k1', wrapped: randomBytes(16) });
  await subjects.enrol(randomUUID(), TENANT, subject, credentialOf({ replaces, wrap }));
}

const erase = (subject: string): Promise<unknown> => erasures.erase(randomUUID(), TENANT, subject);

/** A counted attempt with the right PIN, and its outcome, which is not stored yet. */
async function compared(
  subject: string,
  caller: string,
): Promise<(AttemptOutcome & { compared: CredentialRow; bytes: string }) | undefined> {
  const { credential, referenceKey, incarnation } = await subjects.find(TENANT, 'id', subject, 'pin');
  if (!credential || incarnation === undefined) return undefined;
  const attempt = attemptOf({ referenceKey, subject, caller });
  const attemptOutcome = outcomeOf(attempt, countedOf(await any(copies).count(attempt, OPEN)), 'verified');
  const { countedAt: verifiedAt, attemptId: verificationId } = attemptOutcome.attempt;
  const expiresAt = new Date(Date.now() + 900_000).toISOString();
  const { version: credentialVersion } = credential;
  const who = { agent: 'desk', agentCreatedAt: undefined, callId: undefined } as const;
  const what = { method: 'pin', level: 'verified', subject } as const;
  const success = { ...who, ...what, incarnation, credentialVersion, verificationId, verifiedAt, expiresAt };
  const bytes = credential.wrapped.toString('hex');
  return { ...attemptOutcome, compared: credential, bytes, success };
}

async function rowsOf(subject: string): Promise<object | undefined> {
  const [row] = await database.query(
    `SELECT g.recognized_callers AS callers, g.failures, verification.matches_ledger(g) AS same,
       (SELECT count(*)::int FROM verification.attempts a
        WHERE a.tenant = g.tenant AND a.subject_id = $2 AND a.success_tag IS NOT NULL) AS successes
     FROM verification.attempt_counters g WHERE g.tenant = $1 AND g.counter_key = $3`,
    [TENANT, subject, TEST_HASH.hash('guard', TENANT, 'id', subject)],
  );
  return row as object | undefined;
}

describe('a right PIN that was replaced or erased after its comparison', () => {
  it.each([
    ['another one was enrolled', enrol],
    ['the subject was erased', erase],
    ['the subject was erased and made anew', async (subject: string) => (await erase(subject), enrol(subject))],
  ])('is no success and changes no counter, when %s', async (_, overtake) => {
    const subject = `customer-${randomUUID()}`;
    await enrol(subject);
    const attemptOutcome = await compared(subject, 'owner');
    if (!attemptOutcome) throw new Error('nothing is enrolled');
    await overtake(subject);
    expect(await any(copies).decide(attemptOutcome)).toBe('outdated');
    const left = await rowsOf(subject);
    expect(left).toMatchObject({ callers: [], same: true, successes: 0 });
    const { success: _success, compared: _compared, ...rest } = attemptOutcome;
    const reply = message(VerificationDecided, { ...attemptOutcome.reply, outcome: 'unavailable', level: 'none' });
    expect(await any(copies).decide({ ...rest, reply })).toMatchObject({ outcome: 'unavailable' });
    expect(await any(copies).decide(attemptOutcome)).toBe('outdated');
    expect(await rowsOf(subject)).toEqual(left);
  });

  it('is no success after an enrolment that was not committed yet, for which its outcome waits', async () => {
    const subject = `customer-${randomUUID()}`;
    await enrol(subject);
    const attemptOutcome = await compared(subject, 'owner');
    if (!attemptOutcome) throw new Error('nothing is enrolled');
    let closed: ReturnType<PostgresAttemptGate['decide']> | undefined;
    await tables.service.forTenants([TENANT]).transaction(async (tx) => {
      await tx.query('UPDATE verification.credentials SET version = 2 WHERE tenant = $1 AND subject_id = $2', [
        TENANT,
        subject,
      ]);
      await tx.query(RESET_FOR_NEW_CREDENTIAL, [TENANT, [attemptOutcome.referenceKey]]);
      closed = copies[0]?.decide(attemptOutcome);
      await eventually('the outcome waits for the enrolment', async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
        );
        return waiting.length > 0;
      });
    });
    expect(await closed).toBe('outdated');
    expect(await rowsOf(subject)).toMatchObject({ callers: [], same: true, successes: 0 });
  });

  it('never counts for the new PIN, and no deadlock occurs, with enrolments, erasures and attempts at once in two copies', async () => {
    const all = Array.from({ length: 4 }, () => `customer-${randomUUID()}`);
    for (const subject of all) await enrol(subject);
    const counts = { verified: 0, outdated: 0 };
    /** Callers by the bytes of what they were verified with. */
    const verified = new Map<string, Set<string>>();
    /** One change of a subject after the other, as its partition has them. */
    const changes = new Map<string, Promise<unknown>>();
    const inTurn = (subject: string, change: (subject: string) => Promise<unknown>): Promise<unknown> => {
      const next = (changes.get(subject) ?? Promise.resolve()).then(() => change(subject));
      changes.set(subject, next);
      return next;
    };
    const work = async (worker: number): Promise<void> => {
      for (let n = 0; n < 40; n++) {
        const subject = any(all);
        const caller = `caller-${worker}-${n}`;
        const attemptOutcome = await compared(subject, caller);
        const chance = Math.random();
        const change = chance < 0.1 ? inTurn(any(all), enrol) : chance < 0.13 ? inTurn(any(all), erase) : undefined;
        if (!attemptOutcome) await inTurn(subject, enrol);
        else if ((await any(copies).decide(attemptOutcome)) === 'outdated') counts.outdated++;
        else {
          counts.verified++;
          verified.set(attemptOutcome.bytes, (verified.get(attemptOutcome.bytes) ?? new Set()).add(caller));
        }
        await change;
      }
    };
    await Promise.all(Array.from({ length: 24 }, (_, worker) => work(worker)));
    expect(counts.verified).toBeGreaterThan(0);
    expect(counts.outdated).toBeGreaterThan(0);
    for (const subject of all) {
      const left = (await rowsOf(subject)) as { callers: string[]; same: boolean };
      const { credential } = await subjects.find(TENANT, 'id', subject, 'pin');
      const known = verified.get(credential?.wrapped.toString('hex') ?? '') ?? new Set<string>();
      expect(left.same).toBe(true);
      expect(left.callers.filter((caller) => !known.has(caller))).toEqual([]);
    }
  });
});
