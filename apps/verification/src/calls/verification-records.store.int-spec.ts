import { randomBytes, randomUUID } from 'node:crypto';
import { type Database } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/crypto';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from '../subjects/erasure/erasure.store.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import {
  RecordsWorld,
  verificationRecordsContract,
  type RecordsBed,
} from '../../test/verification-records.contract.js';
import { type RecordedSuccess } from './call-state.decision.js';
import { PostgresVerificationRecords } from './verification-records.store.js';

let tables: TestTables;
let database: Database;
let bed: RecordsBed;
let world: RecordsWorld;
const reported: object[] = [];

beforeAll(async () => {
  tables = await openTestTables(20);
  ({ database } = tables);
  const { service } = tables;
  const none = (): void => undefined;
  const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
  const report = (found: object): Promise<void> => Promise.resolve(void reported.push(found));
  bed = {
    attempts: new PostgresAttemptGate(service, TEST_HASH, none),
    subjects: new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, none),
    erasures: new PostgresSubjectErasure(service, keyring, TEST_HASH, TEST_HASH, none),
    records: new PostgresVerificationRecords(service, TEST_HASH, keyring, report),
  };
  world = new RecordsWorld(bed);
});

afterAll(() => tables.close());

const alter = (attemptId: string, set: string): Promise<unknown> =>
  database.query(`UPDATE verification.attempts SET ${set} WHERE attempt_id = $1`, [attemptId]);

describe('verification records in PostgreSQL', () => {
  verificationRecordsContract(() => Promise.resolve(bed));

  it.each([
    ['gives it to another subject', 'OTHER', 'altered'],
    ['raises its level', `level = 'verified'`, 'altered'],
    ['turns answers into a PIN', `method = 'knowledge'`, 'altered'],
    ['extends its time', `expires_at = expires_at + interval '1 hour'`, 'altered'],
    ['binds it to a later credential', 'credential_version = credential_version + 1', 'altered'],
    ['moves it to another call', `call_id = call_id || '-other'`, 'altered'],
    [
      'gives it to a later agent with the same id',
      `agent_created_at = agent_created_at + interval '1 hour'`,
      'altered',
    ],
    ['removes the creation of its agent', 'agent_created_at = NULL', 'altered'],
    ['removes its tag', 'success_tag = NULL', 'untagged'],
  ])('are not returned and are reported when a write to the ledger %s', async (_, set, reason) => {
    const [subject, other] = [await world.create(), await world.create()];
    const success = await world.decide({ subject, level: 'identified' });
    const { incarnation } = await bed.subjects.find('acme', 'id', other, 'pin');
    reported.length = 0;
    await alter(
      success.verificationId,
      set === 'OTHER' ? `subject_id = '${other}', incarnation = '${incarnation}'` : set,
    );
    expect(await world.find(success)).toBeUndefined();
    expect(reported).toMatchObject([{ what: 'verification', reason, tenant: 'acme' }]);
  });

  it('that were altered are not returned after the caller changes the PIN either', async () => {
    const subject = await world.create();
    const success = await world.decide({ subject, level: 'identified' });
    await alter(success.verificationId, `level = 'verified'`);
    await world.enrol(subject, success.verificationId);
    expect(await world.find(success)).toBeUndefined();
  });

  it('stay ended when the credential row that was in force is put back', async () => {
    const subject = await world.create();
    const success = await world.decide({ subject });
    const [row] = await database.query<{ row: string }>(
      `SELECT row_to_json(c)::text AS row FROM verification.credentials c WHERE subject_id = $1`,
      [subject],
    );
    await world.enrol(subject);
    expect((await world.find(success))?.credentialInForce).toBe(false);
    await tables.service.forTenants(['acme']).transaction(async (tx) => {
      await tx.query(`DELETE FROM verification.credentials WHERE subject_id = $1`, [subject]);
      await tx.query(
        `INSERT INTO verification.credentials
         SELECT * FROM json_populate_record(NULL::verification.credentials, $1::json)`,
        [row?.row],
      );
    });
    expect((await world.find(success))?.credentialInForce).toBe(false);
  });

  it('of an erased subject are not returned, even if their outcome is stored after the erasure', async () => {
    const subject = await world.create();
    const { success, attemptOutcome } = await world.attempt({ subject });
    await world.erase(subject);
    await world.create(subject);
    // As if the credential had been looked at before: what is kept must not hold for the subject of now.
    const { compared: _compared, ...unchecked } = { compared: undefined, ...attemptOutcome };
    await bed.attempts.decide(unchecked);
    expect(await world.find(success)).toBeUndefined();
  });

  describe('of an erased subject, when the subject exists again under the same id', () => {
    const setIncarnation = (subject: string, incarnation: string): Promise<unknown> =>
      tables.service
        .forTenants(['acme'])
        .query('UPDATE verification.subjects SET incarnation = $1 WHERE subject_id = $2', [incarnation, subject]);

    async function erased(): Promise<RecordedSuccess> {
      const subject = await world.create();
      const success = await world.decide({ subject });
      expect(await world.find(success)).toBeDefined();
      await world.erase(subject);
      await world.create(subject);
      expect(await world.find(success)).toBeUndefined();
      reported.length = 0;
      return success;
    }

    it('stay ended when one UPDATE gives the subject its old incarnation, and this is reported', async () => {
      const { subject, incarnation, ...success } = await erased();
      await setIncarnation(subject, incarnation);
      expect(await world.find({ ...success, subject, incarnation })).toBeUndefined();
      expect(reported).toEqual([{ what: 'profile', reason: 'altered', tenant: 'acme', subject }]);
    });

    it('stay ended when the key that proves the incarnation is removed too, also after the next change', async () => {
      const { subject, incarnation, ...success } = await erased();
      await setIncarnation(subject, incarnation);
      await tables.service
        .forTenants(['acme'])
        .query('DELETE FROM verification.subject_keys WHERE subject_id = $1', [subject]);
      expect(await world.find({ ...success, subject, incarnation })).toBeUndefined();
      await bed.subjects.change(randomUUID(), 'acme', subject, { displayName: 'Alex' });
      expect(await world.find({ ...success, subject, incarnation })).toBeUndefined();
    });
  });

  it('follow the order of the outcomes when two attempts of one call are decided at once', async () => {
    const [alice, bob] = [await world.create(), await world.create()];
    const seen = { held: 0, ended: 0 };
    for (let round = 0; round < 60; round++) {
      const callId = randomUUID();
      const right = await world.attempt({ subject: alice, callId });
      const wrong = await world.attempt({ subject: bob, callId, outcome: 'rejected' });
      const attemptOutcomes =
        round % 2 ? [right.attemptOutcome, wrong.attemptOutcome] : [wrong.attemptOutcome, right.attemptOutcome];
      await Promise.all(attemptOutcomes.map((attemptOutcome) => bed.attempts.decide(attemptOutcome)));
      const record = await world.find(right.success);
      const [order] = await database.query<{ ended: boolean }>(
        `SELECT w.decided_at >= r.decided_at AS ended FROM verification.attempts r, verification.attempts w
         WHERE r.attempt_id = $1 AND w.attempt_id = $2`,
        [right.success.verificationId, wrong.success.verificationId],
      );
      expect(record?.endedByAttempt).toBe(order?.ended);
      seen[record?.endedByAttempt ? 'ended' : 'held']++;
    }
    expect(seen.held + seen.ended).toBe(60);
  }, 60_000);

  it('end with a change of the PIN that commits after their outcome at the same moment', async () => {
    const subject = await world.create();
    for (let round = 0; round < 30; round++) {
      const { success, attemptOutcome } = await world.attempt({ subject });
      const [closed] = await Promise.all([bed.attempts.decide(attemptOutcome), world.enrol(subject)]);
      const record = await world.find(success);
      // Written before the change, it has ended by it; decided after the change, it is no success.
      expect(closed === 'outdated' ? record : record?.credentialInForce).toBe(
        closed === 'outdated' ? undefined : false,
      );
    }
  }, 60_000);
});
