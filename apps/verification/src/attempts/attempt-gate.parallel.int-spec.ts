import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { factRecorded } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { type Database } from '@countersign/persistence';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from './gate/attempt-gate.store.js';
import { MAKE_DECOY, RESET_FOR_NEW_CREDENTIAL } from './gate/attempt-counter.sql.js';
import { PostgresSubjectErasure } from '../subjects/erasure/erasure.store.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

// Thousands of statements, on machines that do other work beside them.
jest.setTimeout(120_000);

const TENANT = 'acme';
const COUNTERS = 8;
const WORKERS = 48;
/** Guesses of each worker. */
const GUESSES = 60;
/** Far more guesses are open than in service, so that most of them are compared and many succeed. */
const OPEN = { ...POLICY, perWindow: 50, windowSeconds: 1 };

let tables: TestTables;
let service: Database;
let database: Database;

beforeAll(async () => {
  tables = await openTestTables(20);
  ({ service, database } = tables);
});

afterAll(() => tables.close());

describe('two copies that count, decide, unlock, enrol and erase at the same few references at once', () => {
  it('never report the writes of the other as altered, and every counter agrees with its ledger at the end', async () => {
    const reported: unknown[] = [];
    const report = (found: unknown): Promise<void> => Promise.resolve(void reported.push(found));
    const copies = [0, 1].map(() => new PostgresAttemptGate(service, TEST_HASH, () => undefined, undefined, report));
    const references = Array.from({ length: COUNTERS }, () => randomUUID());
    const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
    const altered: unknown[] = [];
    const change = async (statement: string): Promise<void> => {
      altered.push(...(await service.forTenants([TENANT]).query(statement, [TENANT, [any(references)]])));
    };
    const unlock = (): Promise<void> =>
      any(copies).unlock(randomUUID(), TENANT, any(references), (time) =>
        factRecorded('credential.unlocked', time, { tenant: TENANT }),
      );
    /** Any copy stores an outcome, after others were counted and decided. */
    const work = async (): Promise<void> => {
      const open: (() => Promise<unknown>)[] = [];
      for (let n = 0; n < GUESSES; n++) {
        const [referenceKey, caller] = [any(references), any([undefined, 'a', 'b', 'c'])];
        const attempt = attemptOf({
          tenant: TENANT,
          referenceKey,
          caller,
          subject: any([undefined, 'alice']),
        });
        const counted = countedOf(await any(copies).count(attempt, OPEN));
        const outcome = counted.granted && Math.random() < 0.6 ? 'verified' : 'rejected';
        open.push(() => any(copies).decide(outcomeOf(attempt, counted, outcome)));
        const chance = Math.random();
        if (chance < 0.05) await unlock();
        else if (chance < 0.1) await change(RESET_FOR_NEW_CREDENTIAL);
        else if (chance < 0.15) await change(MAKE_DECOY);
        if (chance > 0.3) await open.shift()?.();
      }
      await Promise.all(open.map((close) => close()));
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    expect([reported, altered]).toEqual([[], []]);
    const rows = await database.query<{ same: boolean }>(
      'SELECT verification.matches_ledger(g) AS same FROM verification.attempt_counters g',
    );
    expect(rows.filter(({ same }) => !same)).toEqual([]);
    const [{ written, counted } = { written: 0, counted: 0 }] = await database.query<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM verification.attempts) AS written,
         (SELECT sum(attempt_count)::int FROM verification.attempt_counters) AS counted`,
    );
    expect(written).toBe(counted);
  });
});

it('no counter keeps the id of an erased subject, however attempts at it and its erasure overlap', async () => {
  const keyring = new Keyring(new Secret(`k1:${Buffer.alloc(32, 2).toString('base64url')}`));
  const none = (): void => undefined;
  const subjects = new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, none);
  const erasure = new PostgresSubjectErasure(service, keyring, TEST_HASH, TEST_HASH, none);
  const copies = [0, 1].map(() => new PostgresAttemptGate(service, TEST_HASH, none));
  const tenant = 'erasures';
  const idsOfCounters = (): Promise<{ id: string | null }[]> =>
    database.query('SELECT subject_id AS id FROM verification.attempt_counters WHERE tenant = $1', [tenant]);

  const raced = async (subject: string, erases: boolean): Promise<void> => {
    await subjects.change(randomUUID(), tenant, subject, {});
    const found = await subjects.find(tenant, 'id', subject, 'pin');
    const attempt = (copy: PostgresAttemptGate): Promise<unknown> =>
      copy.count(attemptOf({ tenant, referenceKey: found.referenceKey, subject: found.id }), OPEN);
    // The first round begins without a counter, the second one with one.
    for (let round = 0; round < 2; round++)
      await Promise.all([
        ...copies.flatMap((copy) => [attempt(copy), attempt(copy)]),
        ...(erases && round === 0 ? [erasure.erase(randomUUID(), tenant, subject)] : []),
      ]);
    // Found before the erasure, counted after it.
    await attempt(copies[0] as PostgresAttemptGate);
  };
  await Promise.all([...Array.from({ length: 30 }, (_, n) => raced(`erased-${n}`, true)), raced('lasting', false)]);
  expect((await idsOfCounters()).map(({ id }) => id).filter((id) => id !== null)).toEqual(['lasting']);
});
