import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { TEST_ACTOR } from '@countersign/testing';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { attemptOf, countedOf, outcomeOf, POLICY } from '../../test/attempt-gate.contract.js';
import { ageCounters } from '../../test/aged-counters.js';
import { type ProfileChange } from './profiles/profile.decision.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { storedPhoneOf } from '../integrity/stored-names.js';
import { PostgresSubjectErasure } from './erasure/erasure.store.js';
import { type NewRecognizedCaller } from './subject-state.decision.js';
import { PostgresSubjectStore } from './subject.store.js';
import { credentialOf, subjectStoreContract } from '../../test/subject-store.contract.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

// Machines that do other work beside them.
jest.setTimeout(60_000);

const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64url');
const hash = new KeyedHash(new Secret(key(1)));
let tables: TestTables;
let service: Database;
let database: Database;
let store: PostgresSubjectStore;

beforeAll(async () => {
  tables = await openTestTables(10);
  ({ service, database } = tables);
  store = new PostgresSubjectStore(service, new Keyring(new Secret(`k1:${key(2)}`)), hash, hash, () => undefined);
});

afterAll(() => tables.close());

describe('the PostgreSQL subject store', () => {
  subjectStoreContract(() =>
    Promise.resolve({
      store,
      attempts: new PostgresAttemptGate(service, hash, () => undefined),
      advance: (seconds) => ageCounters(database, seconds),
      phone: (tenant, e164) => storedPhoneOf(hash, tenant, e164),
    }),
  );

  it('names the command in events by its received id, which differs from the id in the tables', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const [stored, receivedCommandId] = [randomUUID(), randomUUID()];
    await store.change(randomUUID(), tenant, 'alice', {});
    await store.enrol(stored, tenant, 'alice', credentialOf({ receivedCommandId }));
    const facts = await database.query<{ payload: string }>(
      `SELECT payload FROM verification.outbox WHERE key LIKE $1 AND payload LIKE '%credential.enrolled%'`,
      [`${tenant}:%`],
    );
    expect(facts.map(({ payload }) => JSON.parse(payload) as unknown)).toMatchObject([
      { commandId: receivedCommandId },
    ]);
    expect((await store.enrolled(stored, tenant, 'alice', 'pin'))?.repeated).toBe(true);
  });

  it('records what was enrolled, by whom and in which version, in the transaction of the enrolment', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await store.change(randomUUID(), tenant, 'alice', {}, false, TEST_ACTOR);
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ mustChange: true, actor: TEST_ACTOR }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ replaces: 1, by: 'caller' }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ kind: 'knowledge' }));
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ replaces: 7 }));
    const rows = await database.query<{ payload: string }>(
      'SELECT payload FROM verification.outbox WHERE key LIKE $1 ORDER BY seq',
      [`${tenant}:%`],
    );
    const facts = rows.map(({ payload }) => JSON.parse(payload) as { kind: string; detail: object; actor?: object });
    expect(facts.map(({ actor }) => actor)).toEqual([TEST_ACTOR, TEST_ACTOR, undefined, undefined]);
    expect(facts.map(({ kind, detail }) => [kind, detail])).toEqual([
      ['subject.changed', expect.anything()],
      ['credential.enrolled', { credential: 'pin', version: 1, by: 'administrator', mustChange: true }],
      ['credential.changed', { credential: 'pin', version: 2, by: 'caller' }],
      ['credential.enrolled', { credential: 'knowledge', version: 1, by: 'administrator' }],
    ]);
  });

  it('names in each event the fields of a subject that changed, and makes none when nothing changed', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const change = (fields: ProfileChange) => store.change(randomUUID(), tenant, 'alice', fields);
    await change({ phones: ['+12025550123'], displayName: 'Alice', locale: 'en-US' });
    await change({ phones: ['+12025550124'] });
    await change({ phones: ['+12025550124'], displayName: 'Alice', locale: 'fr-FR' });
    await change({});
    await change({ displayName: 'Alice' });
    await change({ phones: [], displayName: null });
    const rows = await database.query<{ payload: string }>(
      'SELECT payload FROM verification.outbox WHERE key LIKE $1 ORDER BY seq',
      [`${tenant}:%`],
    );
    const facts = rows.map(({ payload }) => JSON.parse(payload) as { kind: string; detail: { fields: string } });
    expect(facts.map(({ kind, detail }) => [kind, detail.fields])).toEqual([
      ['subject.changed', 'phones displayName locale'],
      ['subject.changed', 'phones'],
      ['subject.changed', 'locale'],
      ['subject.changed', 'phones displayName'],
    ]);
    const [row] = await database.query<{ version: number }>(
      'SELECT version FROM verification.subjects WHERE tenant = $1',
      [tenant],
    );
    expect(row?.version).toBe(4);
  });

  it('shows the counter of each credential separately, and only locks that have not ended', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await store.change(randomUUID(), tenant, 'alice', {});
    for (const kind of ['pin', 'knowledge'] as const)
      await store.enrol(randomUUID(), tenant, 'alice', credentialOf({ kind }));
    const attempts = new PostgresAttemptGate(service, hash, () => undefined);
    const referenceKey = hash.subjectKey(tenant, 'id', 'alice');
    const guess = (method: Method) =>
      attempts.count(attemptOf({ tenant, referenceKey, subject: 'alice', method }), {
        ...POLICY,
        perWindow: 3,
      });
    await guess('pin');
    for (let n = 0; n < 3; n++) await guess('knowledge');
    const later = expect.stringMatching(/^\d{4}-.*Z$/) as unknown;
    const pin = { attemptsInWindow: 1, lockedUntil: undefined, consecutiveFailures: 1, disabled: false };
    const knowledge = { attemptsInWindow: 3, lockedUntil: later, consecutiveFailures: 3, disabled: false };
    const credentials = [
      { method: 'pin', ...pin },
      { method: 'knowledge', ...knowledge },
    ].map((one) => expect.objectContaining(one) as unknown);
    expect(await store.state(tenant, 'alice', 900)).toMatchObject({ ...pin, credentials });

    await database.query(
      `UPDATE verification.attempt_counters SET disabled = true, unrecognized_locked_until = clock_timestamp()
       WHERE tenant = $1 AND counter_key = $2`,
      [tenant, counterKeyOf(referenceKey, 'knowledge')],
    );
    expect(await store.state(tenant, 'alice', 900)).toMatchObject({
      disabled: false,
      credentials: [{ disabled: false }, { disabled: true, lockedUntil: undefined }],
    });
  });

  it('stores what is shown of recognized callers encrypted and bound to the row, until the credential ends', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const attempts = new PostgresAttemptGate(service, hash, () => undefined);
    const subjects = ['alice', 'bob', 'carol'];
    for (const subject of subjects) {
      await store.change(randomUUID(), tenant, subject, {});
      await store.enrol(randomUUID(), tenant, subject, credentialOf());
      const { referenceKey, credential } = await store.find(tenant, 'id', subject, 'pin');
      const attempt = attemptOf({ tenant, referenceKey, subject, caller: 'caller' });
      const counted = countedOf(await attempts.count(attempt, POLICY));
      const about = { method: 'pin', caller: 'caller', callerTail: '8472910365', firstVerifiedAt: counted.countedAt };
      const sealedCaller = await store.sealCaller(tenant, subject, about as NewRecognizedCaller);
      await attempts.decide({ ...outcomeOf(attempt, counted, 'verified'), compared: credential, sealedCaller });
    }
    const callersOf = async (subject: string) =>
      (await store.state(tenant, subject, 900))?.credentials[0]?.recognizedCallers;
    const stored = async () => {
      const sql =
        'SELECT subject_id, sealed FROM verification.recognized_callers WHERE tenant = $1 ORDER BY subject_id';
      const rows = await database.query<{ subject_id: string; sealed: Buffer }>(sql, [tenant]);
      expect(rows.filter(({ sealed }) => sealed.includes('8472910365'))).toEqual([]);
      return rows.map(({ subject_id: subject }) => subject);
    };
    expect(await stored()).toEqual(subjects);
    expect(await callersOf('alice')).toMatchObject([{ callerTail: '8472910365' }]);
    await database.query(
      `UPDATE verification.recognized_callers SET sealed = (
         SELECT sealed FROM verification.recognized_callers WHERE tenant = $1 AND subject_id = 'bob'
       ) WHERE tenant = $1 AND subject_id = 'alice'`,
      [tenant],
    );
    expect(await callersOf('alice')).toEqual([{}]);
    await store.removeCredential(randomUUID(), tenant, 'alice', 'pin');
    expect(await stored()).toEqual(['bob', 'carol']);
    await store.enrol(randomUUID(), tenant, 'bob', credentialOf({ replaces: 1 }));
    expect(await stored()).toEqual(['carol']);
    const keyring = new Keyring(new Secret(`k1:${key(2)}`));
    await new PostgresSubjectErasure(service, keyring, hash, hash, () => undefined).erase(
      randomUUID(),
      tenant,
      'carol',
    );
    expect(await stored()).toEqual([]);
  });

  it('removes what is stored of a recognized caller when eight others displace it, of whom nothing is stored', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const attempts = new PostgresAttemptGate(service, hash, () => undefined);
    await store.change(randomUUID(), tenant, 'alice', {});
    await store.enrol(randomUUID(), tenant, 'alice', credentialOf());
    const { referenceKey, credential } = await store.find(tenant, 'id', 'alice', 'pin');
    const succeed = async (caller: string, sealedCaller?: string): Promise<void> => {
      const attempt = attemptOf({ tenant, referenceKey, subject: 'alice', caller });
      const counted = countedOf(await attempts.count(attempt, POLICY));
      await attempts.decide({ ...outcomeOf(attempt, counted, 'verified'), compared: credential, sealedCaller });
    };
    const stored = async () => {
      const rows = await database.query<{ caller: string }>(
        'SELECT caller FROM verification.recognized_callers WHERE tenant = $1',
        [tenant],
      );
      return rows.map(({ caller }) => caller);
    };
    await succeed('first', '00');
    for (let n = 1; n <= 7; n++) await succeed(`caller-${n}`);
    expect(await stored()).toEqual(['first']);
    await succeed('caller-8');
    expect(await stored()).toEqual([]);
  });

  it('gives unknown references the caps of the credentials of the tenant, in the same shares', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    const capOf = async (ref: string, within = tenant) => (await store.find(within, 'id', ref, 'pin')).cap;
    expect(await capOf('nobody', `${tenant}-empty`)).toBe(10);
    await store.change(randomUUID(), tenant, 'bare', {});
    for (let n = 0; n < 20; n++) {
      await store.change(randomUUID(), tenant, `s-${n}`, {});
      await store.enrol(randomUUID(), tenant, `s-${n}`, credentialOf({ cap: n % 4 === 0 ? 10 : 50 }));
    }
    const names = Array.from({ length: 400 }, () => randomUUID());
    const caps = await Promise.all(names.map((name) => capOf(name)));
    expect(new Set(caps)).toEqual(new Set([10, 50]));
    // A quarter of 400, and six times its standard deviation.
    const low = caps.filter((cap) => cap === 10).length;
    expect(low).toBeGreaterThan(48);
    expect(low).toBeLessThan(152);
    expect(await Promise.all(names.map((name) => capOf(name)))).toEqual(caps);
    expect([await capOf('s-0'), await capOf('s-1')]).toEqual([10, 50]);
    expect([10, 50]).toContain(await capOf('bare'));
  });
});
