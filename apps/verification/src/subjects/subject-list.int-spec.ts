import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { factRecorded, METHODS, type CredentialFilter } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { tablePages, type Database, type Sql } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import fc from 'fast-check';
import { ageCounters } from '../../test/aged-counters.js';
import { attemptOf, countedOf, outcomeOf, POLICY } from '../../test/attempt-gate.contract.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from './erasure/erasure.store.js';
import { matchesFilter } from './subject-state.decision.js';
import { FIND_WITHOUT_CREDENTIAL, SubjectStates } from './subject-state.store.js';
import { PostgresSubjectStore } from './subject.store.js';
import { UnnamedCounters } from './unnamed-counters.store.js';

jest.setTimeout(120_000);

/** The size that one tenant may have in the product description of bulk imports. */
const MANY = 100_000;
const keyring = new Keyring(new Secret(`k1:${Buffer.alloc(32, 2).toString('base64url')}`));

let tables: TestTables;
let store: PostgresSubjectStore;
let gate: PostgresAttemptGate;
let erasure: PostgresSubjectErasure;

beforeAll(async () => {
  tables = await openTestTables(10);
  const { service } = tables;
  const none = (): void => undefined;
  store = new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, none);
  gate = new PostgresAttemptGate(service, TEST_HASH, none);
  erasure = new PostgresSubjectErasure(service, keyring, TEST_HASH, TEST_HASH, none);
});
afterAll(() => tables.close());

/** Reads all pages, and returns the ids in the order in which the pages have them. */
async function readAll(tenant: string, limit: number, credential?: CredentialFilter): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const { items, next } = await store.list(tenant, { limit, after, credential, windowSeconds: 900 });
    ids.push(...items.map(({ subject }) => subject));
    if (next === undefined) return ids;
    after = next;
  }
}

/** Adds subjects without a key of their own, which is the fastest way to a large table. */
async function addSubjects(tenant: string, count: number): Promise<void> {
  await tables.database.query(
    `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
     SELECT $1, 'c-' || md5(n::text), gen_random_uuid(), 1, ''
     FROM generate_series(1, $2) n`,
    [tenant, count],
  );
  await tables.database.query('ANALYZE verification.subjects');
}

type Method = (typeof METHODS)[number];
type Step = readonly [
  what: 'attempt' | 'create' | 'enrol' | 'remove' | 'erase' | 'unlock' | 'wait',
  subject: string,
  method: Method,
  caller: string | undefined,
  isRight: boolean,
];

const SUBJECTS = ['Zoe', 'a-1', 'a_1', 'bob'];
/** Mostly attempts, so that there are locks. One failure disables a PIN, two attempts lock. */
const STEP: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant('attempt' as const) },
    { weight: 4, arbitrary: fc.constantFrom('create', 'enrol') },
    { weight: 2, arbitrary: fc.constantFrom('remove', 'erase', 'unlock', 'wait') },
  ),
  fc.constantFrom(...SUBJECTS),
  fc.constantFrom(...METHODS),
  fc.constantFrom(undefined, 'c1', 'c2'),
  fc.boolean(),
);

/** @param meanwhile runs after the subject was found, and before the attempt is counted */
async function attempt(
  tenant: string,
  [, subject, method, caller, isRight]: Step,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const { id, referenceKey } = await store.find(tenant, 'id', subject, method);
  await meanwhile();
  const counting = attemptOf({ tenant, referenceKey, subject: id, method, caller, cap: method === 'pin' ? 1 : 9 });
  const counted = countedOf(await gate.count(counting, { ...POLICY, perWindow: 2 }));
  const isVerified = counted.granted && isRight && id !== undefined;
  await gate.decide(outcomeOf(counting, counted, isVerified ? 'verified' : 'rejected'));
}

async function enrol(tenant: string, subject: string, kind: Method): Promise<void> {
  const before = await store.enrolled(randomUUID(), tenant, subject, kind);
  await store.enrol(randomUUID(), tenant, subject, credentialOf({ kind, replaces: before?.version ?? 0 }));
}

async function take(tenant: string, step: Step): Promise<unknown> {
  const [what, subject, method] = step;
  switch (what) {
    case 'attempt':
      return attempt(tenant, step);
    case 'create':
      return store.change(randomUUID(), tenant, subject, {});
    case 'enrol':
      return enrol(tenant, subject, method);
    case 'remove':
      return store.removeCredential(randomUUID(), tenant, subject, method);
    case 'erase':
      return erasure.erase(randomUUID(), tenant, subject);
    case 'unlock': {
      const { referenceKey } = await store.find(tenant, 'id', subject, method);
      return gate.unlock(randomUUID(), tenant, referenceKey, (at) =>
        factRecorded('credential.unlocked', at, { tenant }),
      );
    }
    case 'wait':
      return ageCounters(tables.database, 500);
  }
}

/** The subjects whose state matches, read one by one. */
async function matching(tenant: string, filter: CredentialFilter): Promise<string[]> {
  const states = await Promise.all(SUBJECTS.map((subject) => store.state(tenant, subject, 900)));
  return states.flatMap((state) => (state && matchesFilter(state.credentials, filter) ? [state.subject] : []));
}

describe('the list of subjects', () => {
  it('shows exactly the subjects whose state is locked, disabled or without credential, whatever happened', async () => {
    const found = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 40, maxLength: 50 }), async (steps) => {
        const tenant = `t-${randomUUID().slice(0, 8)}`;
        for (const subject of SUBJECTS) await store.change(randomUUID(), tenant, subject, {});
        for (const [at, step] of steps.entries()) {
          await take(tenant, step);
          if (at % 10 !== 9) continue;
          for (const filter of ['locked', 'disabled', 'none'] as const) {
            const expected = await matching(tenant, filter);
            expect([filter, await readAll(tenant, 1, filter)]).toEqual([filter, expected]);
            if (expected.length > 0) found.add(filter);
          }
        }
      }),
      { numRuns: 10 },
    );
    expect(found).toEqual(new Set(['locked', 'disabled', 'none']));
  });

  it('shows a lock that was charged by attempts at an unknown id, when a subject gets the id and answers', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const wrong = (subject: string): Step => ['attempt', subject, 'knowledge', undefined, false];
    // They fill the pages before.
    await tables.database.query(
      `INSERT INTO verification.attempt_counters
         (tenant, counter_key, attempt_count, last_attempt_at, recognized_attempts, lock_level, granted, charged_lock, remaining)
       SELECT 'other', gen_random_uuid()::text, 1, now(), '{}', 0, true, false, 2 FROM generate_series(1, 200)`,
    );
    for (const subject of ['early', 'late', 'late']) await attempt(tenant, wrong(subject));
    // The subject gets its answers after it was looked up for the attempt that locks it.
    await attempt(tenant, wrong('early'), async () => {
      await store.change(randomUUID(), tenant, 'early', {});
      await enrol(tenant, 'early', 'knowledge');
    });
    await store.change(randomUUID(), tenant, 'late', {});
    expect(await readAll(tenant, 1, 'locked')).toEqual(['early']);
    await enrol(tenant, 'late', 'knowledge');
    expect(await readAll(tenant, 1, 'locked')).toEqual(['early', 'late']);
    // As a version left it that did not write the subject of an enrolment into a counter.
    await tables.database.query('UPDATE verification.attempt_counters SET subject_id = NULL WHERE tenant = $1', [
      tenant,
    ]);
    expect(await readAll(tenant, 1, 'locked')).toEqual([]);
    // Page by page.
    const unnamed = new UnnamedCounters(tables.service, TEST_HASH, 1);
    expect(await tablePages(tables.service, 'verification.attempt_counters')).toBeGreaterThan(1);
    // The tests before have locked counters of other tenants.
    await eventually('every tenant', async () => {
      await unnamed.run();
      return (await readAll(tenant, 1, 'locked')).length === 2;
    });
    expect(await readAll(tenant, 1, 'locked')).toEqual(['early', 'late']);
  });

  it('skips no subject when one of a full page without a credential gets one before its state is read', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    for (const subject of ['a', 'b', 'c', 'd']) await store.change(randomUUID(), tenant, subject, {});
    const { service } = tables;
    let enrols = true;
    /** The database, in which an enrolment is committed after the ids of a page were read. */
    const between = {
      forTenants: (tenants: readonly string[]): Pick<Sql, 'query'> => ({
        query: async <T>(sql: string, params?: readonly unknown[]): Promise<T[]> => {
          const rows = await service.forTenants(tenants).query<T>(sql, params);
          if (sql === FIND_WITHOUT_CREDENTIAL && enrols) {
            enrols = false;
            await enrol(tenant, 'a', 'pin');
          }
          return rows;
        },
      }),
    } as Database;
    const states = new SubjectStates(between, keyring, TEST_HASH);
    const ids: string[] = [];
    for (let after: string | undefined; ;) {
      const { items, next } = await states.page(tenant, { limit: 1, after, credential: 'none', windowSeconds: 900 });
      ids.push(...items.map(({ subject }) => subject));
      if (next === undefined) break;
      after = next;
    }
    expect(ids).toEqual(['b', 'c', 'd']);
  });

  it('has every subject that existed at its start exactly once, while others are created and erased', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const create = async (id: string): Promise<string> => {
      await store.change(randomUUID(), tenant, id, { displayName: id });
      return id;
    };
    const lasting = await Promise.all(Array.from({ length: 60 }, () => create(randomUUID())));
    let isDone = false;
    const write = async (): Promise<void> => {
      for (let n = 0; n < 60; n++) {
        const id = await create(randomUUID());
        if (n % 2 === 0)
          await tables.database.query('DELETE FROM verification.subjects WHERE tenant = $1 AND subject_id = $2', [
            tenant,
            id,
          ]);
      }
    };
    const written = Promise.all([write(), write()]).finally(() => (isDone = true));
    let passes = 0;
    while (!isDone) {
      const ids = await readAll(tenant, 7);
      expect(ids).toEqual([...new Set(ids)].sort());
      expect(lasting.filter((id) => !ids.includes(id))).toEqual([]);
      passes++;
    }
    await written;
    expect(passes).toBeGreaterThan(1);
    expect(await readAll(tenant, 200)).toHaveLength(60 + 60);
  });

  it(`reads a page of a tenant with ${MANY} subjects by the index, in milliseconds`, async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await addSubjects(tenant, MANY);
    const times: number[] = [];
    for (let digit = 0; digit < 16; digit++) {
      const begun = performance.now();
      const page = await store.list(tenant, { limit: 50, after: `c-${digit.toString(16)}8`, windowSeconds: 900 });
      times.push(performance.now() - begun);
      expect(page.items).toHaveLength(50);
    }
    const median = times.sort((a, b) => a - b)[8] ?? Infinity;
    process.stdout.write(`a page of 50 of ${MANY} subjects: median ${median.toFixed(1)} ms\n`);
    expect(median).toBeLessThan(100);
    // As the service reads it, under row-level security.
    const plan = await tables.service.forTenants([tenant]).query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT subject_id FROM verification.subjects
       WHERE tenant = '${tenant}' AND subject_id COLLATE "C" > 'c-8' ORDER BY subject_id COLLATE "C" LIMIT 50`,
    );
    const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
    expect(lines).toContain('subjects_in_order');
    expect(lines).not.toContain('Sort');
  });

  it('bounds the work of a page with a filter, and continues after the subjects that it has read', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await addSubjects(tenant, 12_000);
    await store.change(randomUUID(), tenant, 'z-enrolled', {});
    await store.enrol(randomUUID(), tenant, 'z-enrolled', credentialOf());
    await tables.database.query(
      `INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
       SELECT tenant, subject_id, 'pin', 1, 'k1', '', 10, now() FROM verification.subjects
       WHERE tenant = $1 AND subject_id LIKE 'c-%'`,
      [tenant],
    );
    await store.change(randomUUID(), tenant, 'z-none', {});
    const pages: string[][] = [];
    for (let after: string | undefined; ;) {
      const page = await store.list(tenant, { limit: 10, after, credential: 'none', windowSeconds: 900 });
      pages.push(page.items.map(({ subject }) => subject));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(pages).toEqual([[], [], ['z-none']]);
  });

  it('shows a subject with an altered profile without its personal data, and does not fail', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    for (const id of ['alice', 'bob']) await store.change(randomUUID(), tenant, id, { displayName: id });
    await tables.database.query(
      `UPDATE verification.subjects SET profile = profile || profile WHERE tenant = $1 AND subject_id = 'alice'`,
      [tenant],
    );
    const { items } = await store.list(tenant, { limit: 10, windowSeconds: 900 });
    expect(items).toMatchObject([
      { subject: 'alice', displayName: undefined, phones: [] },
      { subject: 'bob', displayName: 'bob' },
    ]);
  });

  it('finds no subject by a number whose row was moved to it', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await store.change(randomUUID(), tenant, 'alice', { phones: ['+12025550123'] });
    await store.change(randomUUID(), tenant, 'mallory', {});
    await tables.database.query(`UPDATE verification.subject_phones SET subject_id = 'mallory' WHERE tenant = $1`, [
      tenant,
    ]);
    const { items } = await store.list(tenant, { limit: 10, phone: '+12025550123', windowSeconds: 900 });
    expect(items).toEqual([]);
  });
});
