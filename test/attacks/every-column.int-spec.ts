import { randomBytes, randomUUID } from 'node:crypto';
import { createLogger } from '@countersign/observability';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { attemptOf, POLICY, countedOf } from '../../apps/verification/test/attempt-gate.contract.js';
import { storedPhoneOf } from '../../apps/verification/src/integrity/stored-names.js';
import { PostgresAttemptGate } from '../../apps/verification/src/attempts/gate/attempt-gate.store.js';
import { ArgonPinVault } from '../../apps/verification/src/credentials/pin-vault.store.js';
import { credentialOf } from '../../apps/verification/test/subject-store.contract.js';
import { PostgresSubjectStore } from '../../apps/verification/src/subjects/subject.store.js';
import { TamperReports } from '../../apps/verification/src/integrity/tamper-reports.store.js';
import { openTestTables, type TestTables } from '../../apps/verification/test/test-tables.js';

/**
 * Covers every column of the schema, so that no new column stays unprotected unnoticed. Columns that a verification reads
 * of a subject are edited here, one by one. The others are listed with their protection and the test that proves it.
 */
const EDITED = ['subjects', 'subject_phones', 'subject_keys', 'credentials'] as const;

/** Edits after which the right PIN still verifies, with the reason why that is harmless. */
const HARMLESS: Readonly<Record<string, string>> = {
  'subjects.created_at': 'does not influence an attempt',
  'subjects.updated_at': 'only shown to administrators',
};

/** Edits that only deny service: no PIN verifies, and no edited value is read that could be reported. */
const DENIALS: Readonly<Record<string, string>> = {
  'subject_phones.phone_key': 'the number finds no subject any more',
  'credentials.subject_id': 'the owner has no PIN any more, and the other subject cannot open it',
  'credentials.kind': 'the owner has no PIN any more, and no answers that open',
};

const LISTED: readonly { readonly table: string; readonly columns: string; readonly boundBy: string }[] = [
  {
    table: 'versions',
    columns: 'tenant subject_id part version written_at',
    boundBy: 'append-only by trigger; adding a row only denies (edited-tables.int-spec.ts)',
  },
  {
    table: 'attempt_counters',
    columns: `tenant counter_key subject_id attempt_count lock_level locked_until failures disabled recognized_callers
      last_attempt_at
      recognized_attempts unrecognized_attempts unrecognized_lock_level unrecognized_locked_until unrecognized_failures`,
    boundBy: 'held against the ledger by the gate (stolen-counters.int-spec.ts)',
  },
  {
    table: 'attempt_counters',
    columns: 'granted charged_lock charged_disable unrecognized remaining',
    boundBy: 'written by an attempt and read by the same statement only',
  },
  {
    table: 'counter_adjustments',
    columns: 'tenant counter_key number state_after recognized_callers',
    boundBy: 'held against the counter (stolen-counters.int-spec.ts)',
  },
  {
    table: 'recognized_callers',
    columns: 'tenant subject_id kind caller sealed',
    boundBy: 'only shown to administrators; the counter decides who is recognized',
  },
  {
    table: 'attempts',
    columns:
      'attempt_id command_id tenant agent counter_key subject_id number granted unrecognized charged_disable counted_at state_after outcome decided_at reply reply_tag',
    boundBy: 'never changed once written, by trigger (edited-ledger.int-spec.ts)',
  },
  {
    table: 'attempts',
    columns: 'charged_lock disabled remaining',
    boundBy: 'decides the answer to a repeated command without an outcome; comparing depends on granted alone',
  },
  {
    table: 'attempts',
    columns: 'call_id method level incarnation credential_version expires_at success_tag agent_created_at',
    boundBy: 'the tag of the verification (verification-records.store.int-spec.ts)',
  },
  {
    table: 'commands',
    columns: 'command_id fingerprint attempt_id received_at repeat_until',
    boundBy: 'never changed for one attempt, by trigger (edited-ledger.int-spec.ts)',
  },
  {
    table: 'commands',
    columns: 'reply reply_tag',
    boundBy: 'of the previous version; the tag of the reply (forged-replies.int-spec.ts)',
  },
  {
    table: 'consumed_receipts',
    columns: 'tenant jti command_id expires_at',
    boundBy: 'neither changed nor removed before its time, by trigger (edited-ledger.int-spec.ts)',
  },
  {
    table: 'tenant_erasures',
    columns: 'tenant tenant_created_at started_at completed_at',
    boundBy: 'decides whether a subject can be created, never whether one verifies',
  },
  {
    table: 'key_checks',
    columns: 'setting key_id check_value required required_at ready_at recorded_at',
    boundBy: 'decides whether the service starts; the rows open under the right key only',
  },
  {
    table: 'names_key',
    columns: 'single key_id wrapped',
    boundBy:
      'opens as the key whose check value is recorded, or stops the start; never removed, by trigger (edited-ledger.int-spec.ts)',
  },
  {
    table: 'attempt_reports',
    columns: 'pass reported_until begun_at',
    boundBy: 'decides which attempts are reported to audit; a live report that is late raises an alert',
  },
  {
    table: 'inbox',
    columns: 'consumer message_id seen_at',
    boundBy: 'decides whether a management command is repeated, which its sender could do too',
  },
  {
    table: 'outbox',
    columns: 'seq id topic key headers payload created_at',
    boundBy: 'decides nothing here; events are compared with the ledger by the completeness check',
  },
  {
    table: 'partition_holders',
    columns: 'consumer_group topic partition holder opened_at',
    boundBy: 'decides which records are dead letters, never what a record is answered',
  },
  {
    table: 'deliveries',
    columns: 'consumer_group topic partition record_offset begun begun_at',
    boundBy: 'decides which records are dead letters, never what a record is answered',
  },
];

const [PIN, PHONE] = ['83729164', '+12025550123'];
const random = (): string => randomBytes(32).toString('base64url');
const keyring = new Keyring(new Secret(`k1:${random()}`));
const hash = new KeyedHash(new Secret(random()));
const wake = (): void => undefined;

let tables: TestTables;

beforeAll(async () => {
  tables = await openTestTables();
});

afterAll(() => tables.close());

interface Column {
  readonly table_name: string;
  readonly column_name: string;
  readonly data_type: string;
}

const columnsOf = (condition: string): Promise<Column[]> =>
  tables.database.query<Column>(
    `SELECT table_name, column_name, data_type FROM information_schema.columns
     WHERE table_schema = 'verification' AND ${condition} ORDER BY table_name, ordinal_position`,
  );

/** Another plausible value of the type, as an attacker would choose it. */
function edit({ table_name: table, column_name: column, data_type: type }: Column): string {
  switch (type) {
    case 'integer':
      return `${column} + 1`;
    case 'boolean':
      return `NOT ${column}`;
    case 'timestamp with time zone':
      return `${column} - interval '1 microsecond'`;
    case 'bytea':
      return `set_byte(${column}, 20, 255 - get_byte(${column}, 20))`;
    case 'uuid':
      return 'gen_random_uuid()';
    case 'text':
      if (column === 'subject_id') return `'bob'`;
      if (column === 'kind') return `'knowledge'`;
      return `COALESCE(${column}, '') || '0'`;
    default:
      throw new Error(`${table}.${column} has the type ${type}: say how to edit it`);
  }
}

/** The outcome of the right PIN after one edit with the service's own role. */
async function outcomeOf(column: Column): Promise<'refused by the database' | 'reported' | 'nobody' | 'verified'> {
  const found: string[] = [];
  const logger = createLogger('test', 'silent');
  const reports = new TamperReports(tables.service, logger, wake);
  const subjects = new PostgresSubjectStore(tables.service, keyring, hash, hash, wake, async (tampering) => {
    found.push(tampering.reason);
    await reports.report(tampering);
  });
  const attempts = new PostgresAttemptGate(tables.service, hash, wake);
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  const vault = await ArgonPinVault.open({
    ...{ keyring, cost, concurrency: 1, queueLimit: 9 },
    report: (tampering) => Promise.resolve(void found.push(tampering.reason)),
  });
  const tenant = `t-${randomUUID().slice(0, 8)}`;
  for (const subject of ['alice', 'bob'])
    await subjects.change(randomUUID(), tenant, subject, subject === 'alice' ? { phones: [PHONE] } : {});
  const wrap = await vault.prepare(PIN, tenant);
  await subjects.enrol(randomUUID(), tenant, 'alice', credentialOf({ mustChange: true, wrap }));
  const { table_name: table, column_name: name } = column;
  try {
    await tables.service
      .forAllTenants()
      .query(
        `UPDATE verification.${table} SET ${name} = ${edit(column)} WHERE tenant = '${tenant}' AND subject_id = 'alice'`,
      );
  } catch {
    return 'refused by the database';
  }
  const slot = vault.reserve({ tenant, agent: 'desk', caller: 'c' });
  try {
    const { credential } = await subjects.find(tenant, 'phone', storedPhoneOf(hash, tenant, PHONE), 'pin');
    const counted = countedOf(await attempts.count(attemptOf(), POLICY));
    return (await slot?.compare(counted, PIN, credential)) === true ? 'verified' : 'nobody';
  } catch (error) {
    expect(error).toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    expect(found).not.toEqual([]);
    return 'reported';
  } finally {
    slot?.release();
  }
}

it('an edit of any column of a subject that a verification reads is refused and reported, or is listed as harmless', async () => {
  const columns = await columnsOf(`table_name IN ('${EDITED.join("', '")}')`);
  expect(columns.length).toBeGreaterThan(20);
  const wrong: string[] = [];
  for (const column of columns) {
    const name = `${column.table_name}.${column.column_name}`;
    const outcome = await outcomeOf(column);
    if (outcome === 'verified' && HARMLESS[name] === undefined) wrong.push(`${name} may be edited: ${outcome}`);
    if (outcome === 'nobody' && DENIALS[name] === undefined) wrong.push(`${name} is not reported: ${outcome}`);
  }
  expect(wrong).toEqual([]);
});

it('every other column of the schema is listed with its protection', async () => {
  const columns = await columnsOf(`table_name NOT IN ('${EDITED.join("', '")}', 'migrations')`);
  const listed = new Set(LISTED.flatMap(({ table, columns }) => columns.split(/\s+/).map((one) => `${table}.${one}`)));
  const names = columns.map(({ table_name: table, column_name: column }) => `${table}.${column}`);
  expect(names.filter((name) => !listed.has(name))).toEqual([]);
});
