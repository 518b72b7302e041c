import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { message, TenantDeletionStarted, type FactRecorded } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { attemptOf, countedOf, POLICY } from '../../test/attempt-gate.contract.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { PostgresSubjectStore } from './subject.store.js';
import { PostgresTenantErasure } from './erasure/tenant-erasure.store.js';

jest.setTimeout(120_000);

const keyring = new Keyring(new Secret(`k1:${Buffer.alloc(32, 2).toString('base64url')}`));
const wake = (): void => undefined;
const FIRST = '2026-01-01T00:00:00.001Z';
const SECOND = '2026-01-01T00:00:00.002Z';

let tables: TestTables;
let store: PostgresSubjectStore;
let gate: PostgresAttemptGate;
/** What the directory cache of the process has. */
const createdAt = new Map<string, string>();

beforeAll(async () => {
  tables = await openTestTables(10);
  const { service } = tables;
  store = new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, wake, undefined, (id) => createdAt.get(id));
  gate = new PostgresAttemptGate(service, TEST_HASH, wake);
});
afterAll(() => tables.close());

const newTenant = (at: string = FIRST): string => {
  const tenant = `t-${randomUUID().slice(0, 8)}`;
  createdAt.set(tenant, at);
  return tenant;
};
const create = (tenant: string, subject: string) => store.change(randomUUID(), tenant, subject, { displayName: 'A' });
const erasure = () => new PostgresTenantErasure(tables.service, TEST_HASH, wake);
const deletion = (tenant: string, at: string = FIRST) => message(TenantDeletionStarted, { tenant, createdAt: at });
const eraseAll = async (tenant: string, at?: string): Promise<number> => {
  const erasing = erasure();
  let calls = 1;
  while (!(await erasing.erase(deletion(tenant, at)))) calls++;
  return calls;
};
const remaining = async (tenant: string): Promise<number[]> => {
  const names = ['subjects', 'subject_phones', 'subject_keys', 'credentials'];
  const counts = names.map((name) =>
    tables.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM verification.${name} WHERE tenant = $1`, [
      tenant,
    ]),
  );
  return (await Promise.all(counts)).map(([row]) => row?.n ?? -1);
};
const erasedSubjects = async (tenant: string): Promise<string[]> => {
  const rows = await tables.database.query<{ payload: string }>(
    `SELECT payload FROM verification.outbox WHERE key LIKE $1 AND payload LIKE '%"subject.erased"%'`,
    [`${tenant}:%`],
  );
  return rows.map(({ payload }) => (JSON.parse(payload) as FactRecorded).subject ?? '').sort();
};

describe('the erasure of a tenant', () => {
  it('removes every subject with its numbers, key and credentials, with one event each, and nothing of another tenant', async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    const ids = Array.from({ length: 230 }, (_, n) => `c-${n}`).sort();
    for (let n = 0; n < ids.length; n += 10) await Promise.all(ids.slice(n, n + 10).map((id) => create(tenant, id)));
    for (const id of ['c-1', 'c-2']) await store.enrol(randomUUID(), tenant, id, credentialOf());
    await store.change(randomUUID(), tenant, 'c-3', { phones: ['+12025550123'] });
    await store.change(randomUUID(), other, 'c-3', { phones: ['+12025550123'] });
    await eraseAll(tenant);
    expect(await remaining(tenant)).toEqual([0, 0, 0, 0]);
    expect(await remaining(other)).toEqual([1, 1, 1, 0]);
    expect(await erasedSubjects(tenant)).toEqual(ids);
    expect(await erasedSubjects(other)).toEqual([]);
    expect((await store.find(tenant, 'id', 'c-1', 'pin')).id).toBeUndefined();
  });

  it('works in bounded parts, and another process continues where one stopped, also several at once', async () => {
    const tenant = newTenant();
    await tables.database.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       SELECT $1, 'c-' || n, gen_random_uuid(), 1, '' FROM generate_series(1, 3000) n`,
      [tenant],
    );
    expect(await erasure().erase(deletion(tenant))).toBe(false);
    expect((await remaining(tenant))[0]).toBe(2000);
    const calls = await Promise.all([eraseAll(tenant), eraseAll(tenant)]);
    expect(calls.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(6);
    expect((await remaining(tenant))[0]).toBe(0);
    const erased = await erasedSubjects(tenant);
    expect([erased.length, new Set(erased).size]).toEqual([3000, 3000]);
    expect(await erasure().erase(deletion(tenant))).toBe(true);
    expect(await erasedSubjects(tenant)).toHaveLength(3000);
  });

  it('completes an erasure that the directory has ended too early', async () => {
    const tenant = newTenant();
    await tables.database.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       SELECT $1, 'c-' || n, gen_random_uuid(), 1, '' FROM generate_series(1, 1500) n`,
      [tenant],
    );
    expect(await erasure().erase(deletion(tenant))).toBe(false);
    createdAt.set(tenant, SECOND);
    expect(await create(tenant, 'new')).toBe('not_found');
    await erasure().continueUnnamed([tenant]);
    expect((await remaining(tenant))[0]).toBe(500);
    for (let call = 0; call < 2; call++) await erasure().continueUnnamed([]);
    expect((await remaining(tenant))[0]).toBe(0);
    expect(await create(tenant, 'new')).toBe('created');
  });

  it('lets no subject be created for the tenant, during the erasure and after it, until a new tenant has the id', async () => {
    const tenant = newTenant();
    // Simultaneous, so that some creations begin before the erasure and commit after its begin.
    const creations = Promise.all(Array.from({ length: 40 }, (_, n) => create(tenant, `c-${n}`)));
    await Promise.all([creations, eraseAll(tenant)]);
    expect((await remaining(tenant))[0]).toBe(0);
    expect((await creations).filter((result) => result === 'created').length).toBe(
      (await erasedSubjects(tenant)).length,
    );
    expect(await create(tenant, 'late')).toBe('not_found');
    createdAt.delete(tenant);
    expect(await create(tenant, 'late')).toBe('not_found');
    createdAt.set(tenant, SECOND);
    expect(await create(tenant, 'new')).toBe('created');
    expect(await erasure().erase(deletion(tenant))).toBe(true);
  });

  it('leaves nothing to a new tenant of the same id: no lock, no failure, no recognized caller', async () => {
    const tenant = newTenant();
    await create(tenant, 'alice');
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf());
    const { referenceKey } = await store.find(tenant, 'id', 'alice', 'pin');
    const unknown = TEST_HASH.subjectKey(tenant, 'id', 'bob');
    for (const [key, subject] of [
      [referenceKey, 'alice'],
      [unknown, undefined],
    ] as const)
      for (let n = 0; n < 4; n++) await gate.count(attemptOf({ tenant, referenceKey: key, subject }), POLICY);
    expect(await store.state(tenant, 'alice', 900)).toMatchObject({ attemptsInWindow: 3, consecutiveFailures: 3 });
    await eraseAll(tenant);
    createdAt.set(tenant, SECOND);
    await create(tenant, 'alice');
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf());
    const state = await store.state(tenant, 'alice', 900);
    expect(state).toMatchObject({ attemptsInWindow: 0, lockedUntil: undefined, consecutiveFailures: 0 });
    for (const [key, subject] of [
      [referenceKey, 'alice'],
      [unknown, undefined],
    ] as const) {
      const counted = countedOf(await gate.count(attemptOf({ tenant, referenceKey: key, subject }), POLICY));
      // The number goes on, because the audit log has the attempts before it.
      expect(counted).toMatchObject({ granted: true, number: 5, remaining: 2 });
    }
  });

  it('erases a tenant that was created again under the id, and deleted again', async () => {
    const tenant = newTenant();
    await create(tenant, 'alice');
    await eraseAll(tenant);
    createdAt.set(tenant, SECOND);
    await create(tenant, 'alice');
    await eraseAll(tenant, SECOND);
    expect((await remaining(tenant))[0]).toBe(0);
    expect(await erasedSubjects(tenant)).toEqual(['alice', 'alice']);
    expect(await create(tenant, 'alice')).toBe('not_found');
  });
});
