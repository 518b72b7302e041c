import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Keyring, Secret } from '@countersign/crypto';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import { EnrolPin } from '../credentials/enrol-pin.use-case.js';
import { HISTORY_RULE } from '../credentials/pin-rules.decision.js';
import { ArgonPinVault } from '../credentials/pin-vault.store.js';
import { PostgresSubjectStore } from './subject.store.js';

jest.setTimeout(60_000);

const keyring = new Keyring(new Secret(`k1:${Buffer.alloc(32, 2).toString('base64url')}`));
const [FIRST, SECOND, THIRD] = ['83729164', '19283746', '56473829'];

let tables: TestTables;
let store: PostgresSubjectStore;
let enrolPin: EnrolPin;
let tenant: string;

beforeAll(async () => {
  tables = await openTestTables();
  store = new PostgresSubjectStore(tables.service, keyring, TEST_HASH, TEST_HASH, () => undefined);
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  enrolPin = new EnrolPin(store, await ArgonPinVault.open({ keyring, cost, concurrency: 2, queueLimit: 100 }));
});
afterAll(() => tables.close());
beforeEach(async () => {
  tenant = `t-${randomUUID().slice(0, 8)}`;
  await store.change(randomUUID(), tenant, 'alice', {});
});

const enrol = (pin: string) =>
  enrolPin.enrol({ commandId: randomUUID(), tenant, subject: 'alice', pin, mustChange: false, by: 'administrator' });
const remove = () => store.removeCredential(randomUUID(), tenant, 'alice', 'pin');
const stored = () =>
  tables.database.query<{ kind: string }>('SELECT kind, version FROM verification.credentials WHERE tenant = $1', [
    tenant,
  ]);

describe('a removed PIN', () => {
  it('cannot be enrolled again, and neither can the PINs before it', async () => {
    expect([await enrol(FIRST), await enrol(SECOND)]).toEqual(['created', 'updated']);
    expect(await remove()).toBe('removed');
    expect([await enrol(FIRST), await enrol(SECOND)]).toEqual([{ rule: HISTORY_RULE }, { rule: HISTORY_RULE }]);
    expect(await enrol(THIRD)).toBe('created');
    expect(await remove()).toBe('removed');
    for (const pin of [FIRST, SECOND, THIRD]) expect(await enrol(pin)).toEqual({ rule: HISTORY_RULE });
  });

  it('is one row that no reference finds, and the next enrolment replaces it', async () => {
    await enrol(FIRST);
    await remove();
    expect(await stored()).toEqual([{ kind: 'removed_pin', version: 2 }]);
    expect(await store.find(tenant, 'id', 'alice', 'pin')).toMatchObject({ id: 'alice', credential: undefined });
    await enrol(SECOND);
    expect(await stored()).toEqual([{ kind: 'pin', version: 3 }]);
  });

  it('verifies nobody when its row is made that of a PIN, or the removed row is put back', async () => {
    await enrol(FIRST);
    const [before] = await tables.database.query<{ row: string }>(
      'SELECT row_to_json(c)::text AS row FROM verification.credentials c WHERE tenant = $1',
      [tenant],
    );
    await remove();
    await tables.database.query(
      `INSERT INTO verification.credentials
       SELECT * FROM json_populate_record(NULL::verification.credentials, $1::json)`,
      [before?.row],
    );
    await expect(store.find(tenant, 'id', 'alice', 'pin')).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    await tables.database.query(`DELETE FROM verification.credentials WHERE tenant = $1 AND kind = 'pin'`, [tenant]);
    await tables.database.query(`UPDATE verification.credentials SET kind = 'pin' WHERE tenant = $1`, [tenant]);
    const { credential } = await store.find(tenant, 'id', 'alice', 'pin');
    const vault = await ArgonPinVault.open({
      ...{ keyring, cost: { memoryKib: 8, passes: 1, lanes: 1 }, concurrency: 1, queueLimit: 10 },
    });
    // The ciphertext is bound to the kind of its row, so it opens for no comparison and for no history.
    expect(await vault.positionInHistory(FIRST, credential)).toBe(-1);
  });

  it('records the kind and the version of the removed credential', async () => {
    await enrol(FIRST);
    await remove();
    const [row] = await tables.database.query<{ payload: string }>(
      'SELECT payload FROM verification.outbox WHERE key LIKE $1 ORDER BY seq DESC LIMIT 1',
      [`${tenant}:%`],
    );
    expect(JSON.parse(row?.payload ?? '')).toMatchObject({
      kind: 'credential.removed',
      subject: 'alice',
      detail: { credential: 'pin', version: 1, by: 'administrator' },
    });
  });
});
