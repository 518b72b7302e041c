import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { factRecorded, type AttemptPolicy } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { type AttemptToCount } from '../attempts.ports.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../../test/test-tables.js';
import { PostgresAttemptGate } from './attempt-gate.store.js';
import { attemptOf, attemptStoreContract, countedOf, outcomeOf } from '../../../test/attempt-gate.contract.js';
import { ageCounters } from '../../../test/aged-counters.js';

// Thousands of statements, on machines that do other work beside them.
jest.setTimeout(60_000);

let tables: TestTables;
let service: Database;
let database: Database;
let store: PostgresAttemptGate;

beforeAll(async () => {
  tables = await openTestTables(20);
  ({ service, database } = tables);
  store = new PostgresAttemptGate(service, TEST_HASH, () => undefined);
});

afterAll(() => tables.close());

/** The past moves away instead of the clock moving on: to the statement it is the same. */
async function advance(seconds: number): Promise<void> {
  await ageCounters(database, seconds);
  await database.query('UPDATE verification.commands SET repeat_until = repeat_until - make_interval(secs => $1)', [
    seconds,
  ]);
}

describe('the attempt gate in PostgreSQL', () => {
  attemptStoreContract(() =>
    Promise.resolve({
      store,
      advance,
      facts: async () =>
        (await database.query<{ id: string }>('SELECT id FROM verification.outbox')).map(({ id }) => id),
    }),
  );

  it('counts without a gap and without a deadlock when two copies work on the same references in batches', async () => {
    const copy = new PostgresAttemptGate(service, TEST_HASH, () => undefined);
    const references = Array.from({ length: 12 }, () => randomUUID());
    const tries = Array.from({ length: 600 }, (_, at) => ({
      attempt: attemptOf({ referenceKey: references[(at * 7) % references.length] ?? '' }),
      by: at % 2 === 0 ? store : copy,
    }));
    const numbers = new Map<string, number[]>();
    await Promise.all(
      tries.map(async ({ attempt, by }) => {
        const counted = countedOf(await by.count(attempt, limits()));
        // A zombie's delivery of the same command, to the other copy, while the first is on its way.
        const other = by === store ? copy : store;
        const [reply, again] = await Promise.all([
          by.decide(outcomeOf(attempt, counted, 'rejected')),
          other.count({ ...attempt, attemptId: randomUUID() }, limits()),
        ]);
        expect([reply, again.kind === 'counted']).toMatchObject([{ outcome: 'rejected' }, false]);
        numbers.set(attempt.referenceKey, [...(numbers.get(attempt.referenceKey) ?? []), counted.number]);
      }),
    );
    for (const reference of references) {
      expect(numbers.get(reference)?.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    }
    const [granted] = await database.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM verification.attempts WHERE counter_key = ANY ($1) AND granted',
      [references],
    );
    expect(granted?.n).toBe(3 * references.length);
  });

  it('publishes the facts of one reference in the order of its outcomes', async () => {
    const referenceKey = randomUUID();
    const decided: string[] = [];
    for (let n = 0; n < 5; n++) {
      const attempt = attemptOf({ referenceKey });
      const attemptOutcome = outcomeOf(
        attempt,
        countedOf(await store.count(attempt, { ...limits(), perWindow: 9 })),
        'rejected',
      );
      await store.decide(attemptOutcome);
      decided.push(attemptOutcome.facts[0]?.factId ?? '');
    }
    const rows = await database.query<{ id: string }>('SELECT id FROM verification.outbox ORDER BY seq');
    expect(rows.map(({ id }) => id).filter((id) => decided.includes(id))).toEqual(decided);
  });

  it('stores no adjustment for a further success of a recognized caller, whose counter copies of both versions accept', async () => {
    const referenceKey = randomUUID();
    const attempted = async (outcome: 'verified' | 'rejected'): Promise<void> => {
      const attempt = attemptOf({ referenceKey, caller: 'owner' });
      await store.decide(outcomeOf(attempt, countedOf(await store.count(attempt, limits())), outcome));
    };
    const counter = async (): Promise<unknown> => {
      const [row] = await database.query(
        `SELECT number::int AS adjusted, verification.matches_ledger(counter) AS matches,
           verification.agrees_with_ledger(counter) AS agrees, failures
         FROM verification.attempt_counters counter JOIN verification.counter_adjustments USING (tenant, counter_key)
         WHERE counter_key = $1`,
        [referenceKey],
      );
      return row;
    };
    await attempted('verified');
    expect(await counter()).toEqual({ adjusted: 1, matches: true, agrees: true, failures: 0 });
    await attempted('rejected');
    await attempted('verified');
    expect(await counter()).toEqual({ adjusted: 1, matches: true, agrees: true, failures: 0 });
    // As a copy of the previous version compares it, after it wrote the outcome and before it stores the adjustment.
    await database.query(
      'UPDATE verification.attempt_counters SET failures = 2, recognized_attempts = (state_after).recognized_attempts FROM verification.attempts WHERE attempts.counter_key = $1 AND number = 3 AND attempt_counters.counter_key = $1',
      [referenceKey],
    );
    expect(await counter()).toEqual({ adjusted: 1, matches: false, agrees: true, failures: 2 });
  });

  it('keeps accepting a counter that was unlocked between an attempt of a recognized caller and its success', async () => {
    const referenceKey = randomUUID();
    const attempt = (): AttemptToCount => attemptOf({ referenceKey, caller: 'owner' });
    for (const unlocks of [false, true, false]) {
      const next = attempt();
      const counted = countedOf(await store.count(next, limits()));
      if (unlocks)
        await store.unlock(randomUUID(), 'acme', referenceKey, (time) =>
          factRecorded('credential.unlocked', time, { tenant: 'acme' }),
        );
      await store.decide(outcomeOf(next, counted, 'verified'));
    }
    expect(countedOf(await store.count(attempt(), limits()))).toMatchObject({ number: 4, remaining: 2 });
  });

  it('counts and decides an attempt of a call with an id that is not well-formed Unicode', async () => {
    const attempt = attemptOf({ subject: 'alice', callId: 'call \ud800' });
    const counted = countedOf(await store.count(attempt, limits()));
    const { attemptId: verificationId, countedAt: verifiedAt } = counted;
    const success = {
      ...({
        agent: attempt.agent,
        agentCreatedAt: undefined,
        callId: attempt.callId,
        method: 'pin',
        level: 'verified',
        subject: 'alice',
      } as const),
      ...{ incarnation: randomUUID(), credentialVersion: 1, verificationId, verifiedAt, expiresAt: verifiedAt },
    };
    const outcome = { ...outcomeOf(attempt, counted, 'verified'), success };
    expect(await store.decide(outcome)).toMatchObject({ outcome: 'verified' });
    const [row] = await database.query('SELECT call_id, level FROM verification.attempts WHERE attempt_id = $1', [
      attempt.attemptId,
    ]);
    expect(row).toEqual({ call_id: 'call \ufffd', level: 'verified' });
  });

  it('writes nothing when the database refuses the statement', async () => {
    const attempt = attemptOf();
    await expect(store.count({ ...attempt, attemptId: 'not-a-uuid' }, limits())).rejects.toThrow();
    expect(countedOf(await store.count(attempt, limits())).number).toBe(1);
  });
});

function limits(): AttemptPolicy {
  return { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
}
