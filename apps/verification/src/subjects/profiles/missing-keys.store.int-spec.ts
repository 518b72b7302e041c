import { randomBytes, randomUUID } from 'node:crypto';
import { CallStateRequested, message, VerificationAdmitted } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { ManualClock } from '@countersign/testing';
import { SprayDetector } from '../../abuse/spray-detector.js';
import { PostgresAttemptGate } from '../../attempts/gate/attempt-gate.store.js';
import { DecideAttempt } from '../../attempts/decide-attempt.use-case.js';
import { ReadCallState } from '../../calls/read-call-state.use-case.js';
import { Successes } from '../../calls/successes.js';
import { PostgresVerificationRecords } from '../../calls/verification-records.store.js';
import { ArgonPinVault } from '../../credentials/pin-vault.store.js';
import { storedPhoneOf } from '../../integrity/stored-names.js';
import { credentialOf } from '../../../test/subject-store.contract.js';
import { CallPoliciesOfTest, EveryAgent, OneKnowledge, OTHER, PHONE, PIN } from '../../../test/test-bed.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../../test/test-tables.js';
import { MissingKeys } from './missing-keys.store.js';
import { PostgresSubjectStore } from '../subject.store.js';

const INTERVAL_MS = 60_000;

let tables: TestTables;
let subjects: PostgresSubjectStore;
let vault: ArgonPinVault;
let decideAttempt: DecideAttempt;
let calls: ReadCallState;
let clock: ManualClock;
let missingKeys: MissingKeys;
const warnings: unknown[] = [];

beforeAll(async () => {
  tables = await openTestTables();
  const { service } = tables;
  const none = (): void => undefined;
  const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  vault = await ArgonPinVault.open({ keyring, cost, concurrency: 2, queueLimit: 100 });
  subjects = new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, none);
  const records = new PostgresVerificationRecords(service, TEST_HASH, keyring);
  const policies = new CallPoliciesOfTest();
  clock = new ManualClock();
  decideAttempt = new DecideAttempt(
    subjects,
    new PostgresAttemptGate(service, TEST_HASH, none),
    vault,
    new EveryAgent(),
    new OneKnowledge(),
    new Successes(records, policies),
    new SprayDetector(() => undefined, clock),
    TEST_HASH,
  );
  calls = new ReadCallState(records, policies);
  const logger = { warn: (found: unknown) => void warnings.push(found) } as never;
  missingKeys = new MissingKeys(subjects, logger, clock, INTERVAL_MS);
});

afterAll(() => tables.close());

async function create(phones: readonly string[] = []): Promise<string> {
  const subject = `customer-${randomUUID()}`;
  await subjects.change(randomUUID(), 'acme', subject, { displayName: 'Alex', phones });
  const pin = credentialOf({ cap: 50, wrap: await vault.prepare(PIN, 'acme') });
  await subjects.enrol(randomUUID(), 'acme', subject, pin);
  return subject;
}

/** As a restored backup without `subject_keys`. */
const removeKey = (subject: string): Promise<unknown> =>
  tables.database.query('DELETE FROM verification.subject_keys WHERE subject_id = $1', [subject]);

async function attempt(subject: string, pin: string, callId: string) {
  const stored = message(VerificationAdmitted, {
    commandId: randomUUID(),
    repeatSeconds: 60,
    tenant: 'acme',
    agent: 'desk',
    channel: 'rest',
    method: 'pin',
    subjectKind: 'id',
    subjectRef: subject,
    subjectIsCaller: false,
    callId,
    callerTail: '',
    keyId: '',
    alsoNamed: [],
    sealed: '',
  });
  const secrets = { pin, answers: undefined, newPin: undefined, replyKey: undefined, acceptsMac: false };
  const opened = { fingerprint: randomUUID(), received: stored, stored, ...secrets };
  const first = await decideAttempt.decide(opened);
  const repeated = await decideAttempt.decide(opened);
  const { verified } = await calls.read(message(CallStateRequested, { tenant: 'acme', agent: 'desk', callId }));
  return { outcome: first.reply.outcome, repeated: repeated.reply.outcome, isCallVerified: verified };
}

describe('a subject whose key is missing after a backup is restored', () => {
  it('is not verified by the right PIN, in the reply, a repeated reply and the call state', async () => {
    const subject = await create();
    await removeKey(subject);
    const refused = { repeated: 'unavailable', isCallVerified: false };
    expect(await attempt(subject, PIN, randomUUID())).toEqual({ outcome: 'unavailable', ...refused });
    expect(await attempt(subject, OTHER, randomUUID())).toMatchObject({ outcome: 'rejected', repeated: 'rejected' });
  });

  it('gets a new key and incarnation, after which the right PIN verifies the reply, its repetition and the call', async () => {
    const [subject, untouched] = [await create([PHONE]), await create()];
    const earlier = randomUUID();
    const verified = { outcome: 'verified', repeated: 'verified', isCallVerified: true };
    expect(await attempt(subject, PIN, earlier)).toEqual(verified);
    const before = await subjects.find('acme', 'id', subject, 'pin');
    const other = await subjects.find('acme', 'id', untouched, 'pin');
    await removeKey(subject);
    await missingKeys.run();
    expect(await attempt(subject, PIN, randomUUID())).toEqual(verified);
    const after = await subjects.find('acme', 'phone', storedPhoneOf(TEST_HASH, 'acme', PHONE), 'pin');
    expect(after).toMatchObject({ id: subject, displayName: undefined, incarnation: expect.any(String) as string });
    expect(after.incarnation).not.toBe(before.incarnation);
    expect(await subjects.find('acme', 'id', untouched, 'pin')).toEqual(other);
    const state = await calls.read(message(CallStateRequested, { tenant: 'acme', agent: 'desk', callId: earlier }));
    expect(state.verified).toBe(false);
  });

  it('gets its key in the pass of one of several processes, at the earliest an interval after the last pass', async () => {
    clock.advance(INTERVAL_MS);
    await missingKeys.run();
    warnings.length = 0;
    const subject = await create();
    await removeKey(subject);
    await missingKeys.run();
    expect((await subjects.find('acme', 'id', subject, 'pin')).incarnation).toBeUndefined();
    clock.advance(INTERVAL_MS);
    await missingKeys.run();
    const { incarnation } = await subjects.find('acme', 'id', subject, 'pin');
    expect([incarnation, warnings]).toEqual([expect.any(String), [{ subjects: 1 }]]);
    const second = await create();
    await removeKey(second);
    const counts = await Promise.all([1, 2, 3].map(() => subjects.replaceMissingKeys(undefined, 10)));
    expect(counts.map(({ replaced }) => replaced).sort()).toEqual([0, 0, 1]);
  });

  it('keeps a change that is made at the same time', async () => {
    const subject = await create();
    for (let round = 0; round < 10; round++) {
      await removeKey(subject);
      const change = subjects.change(randomUUID(), 'acme', subject, { displayName: `Alex ${round}` });
      await Promise.all([change, subjects.replaceMissingKeys(undefined, 10)]);
      expect(await subjects.find('acme', 'id', subject, 'pin')).toMatchObject({ displayName: `Alex ${round}` });
    }
  });

  it('with a number that was altered stays without a key, and others after it get theirs', async () => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    for (const subject of ['alice', 'bob'])
      await subjects.change(randomUUID(), tenant, subject, {
        phones: [subject === 'bob' ? '+12025550125' : '+12025550124'],
      });
    await tables.database.query('DELETE FROM verification.subject_keys WHERE tenant = $1', [tenant]);
    await tables.database.query(
      `UPDATE verification.subject_phones SET tag = 'x' WHERE tenant = $1 AND subject_id = 'alice'`,
      [tenant],
    );
    const first = await subjects.replaceMissingKeys({ tenant, subject_id: '' }, 1);
    expect(first).toEqual({ replaced: 0, next: { tenant, subject_id: 'alice' } });
    expect(await subjects.replaceMissingKeys(first.next, 1)).toMatchObject({ replaced: 1 });
  });
});
