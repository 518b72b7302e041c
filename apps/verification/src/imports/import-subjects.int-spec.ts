import { randomBytes, randomUUID } from 'node:crypto';
import {
  bindingOf,
  message,
  SubjectImportRequested,
  type CommandAnswered,
  type ImportedRow,
  type SubjectRow,
} from '@countersign/contracts';
import { createSealingKeys, Keyring, PayloadOpener, PayloadSealer, Secret } from '@countersign/crypto';
import { eventually, TEST_ACTOR } from '@countersign/testing';
import { JweSealedPayloads } from '../attempts/sealed-payload.store.js';
import { NAME_SUBJECTS } from '../attempts/gate/attempt-counter.sql.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { replaceCredential } from '../credentials/credential-rehash.store.js';
import { ArgonPinVault } from '../credentials/pin-vault.store.js';
import { EnrolKnowledge } from '../knowledge/enrol-knowledge.use-case.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { attemptOf, countedOf, POLICY } from '../../test/attempt-gate.contract.js';
import { OneKnowledge } from '../../test/test-bed.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';
import { ImportSubjects } from './import-subjects.use-case.js';
import { PostgresSubjectBatches } from './subject-batches.store.js';

const COST = { memoryKib: 64, passes: 1, lanes: 1 };
const PIN = '83729164';
/** The bcrypt hash of {@link PIN} with the cost 4, without its prefix. */
const BCRYPT = '04$rAJspen/oZSfZByN5Zc4zOY.W8p3Mm6AeKPXZU/Q3DMyRWBjiWpIK';

let tables: TestTables;
let subjects: PostgresSubjectStore;
let vault: ArgonPinVault;
let other: ArgonPinVault;
let attempts: PostgresAttemptGate;
let importer: ImportSubjects;
let sealer: PayloadSealer;

beforeAll(async () => {
  tables = await openTestTables();
  const { service } = tables;
  const none = (): void => undefined;
  const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
  vault = await ArgonPinVault.open({
    ...{ keyring, cost: COST, concurrency: 2, queueLimit: 100 },
    replace: replaceCredential(service),
  });
  subjects = new PostgresSubjectStore(service, keyring, TEST_HASH, TEST_HASH, none);
  attempts = new PostgresAttemptGate(service, TEST_HASH, none);
  const keys = await createSealingKeys('s1');
  sealer = await PayloadSealer.fromKeySet(keys.publicKeys);
  const payloads = new JweSealedPayloads(await PayloadOpener.fromKeySet(new Secret(keys.privateKeys)));
  const batches = new PostgresSubjectBatches(service, keyring, TEST_HASH, TEST_HASH, none);
  const knowledge = new EnrolKnowledge(subjects, vault, new OneKnowledge());
  importer = new ImportSubjects(batches, subjects, vault, knowledge, payloads, TEST_HASH);
});

afterAll(() => tables.close());

const newTenant = (): string => `t-${randomUUID().slice(0, 8)}`;
type Options = { readonly importId?: string; readonly dryRun?: boolean };

async function send(tenant: string, rows: readonly SubjectRow[], options: Options = {}): Promise<CommandAnswered> {
  const command = {
    ...{ commandId: randomUUID(), actor: TEST_ACTOR, tenant, importId: 'import-of-the-test', dryRun: false },
    ...options,
  };
  const sealed = await sealer.seal({ rows }, bindingOf(SubjectImportRequested, command));
  return importer.import(message(SubjectImportRequested, { ...command, sealed }));
}

async function importRows(tenant: string, rows: readonly SubjectRow[], options?: Options): Promise<ImportedRow[]> {
  return (await send(tenant, rows, options)).body?.['results'] as ImportedRow[];
}

const resultsOf = (rows: readonly ImportedRow[]): string[] => rows.map(({ result }) => result);
const row = (line: number, subject: string, more: Partial<SubjectRow> = {}): SubjectRow => ({ line, subject, ...more });

async function verifies(tenant: string, subject: string, pin: string): Promise<boolean> {
  const found = await subjects.find(tenant, 'id', subject, 'pin');
  const counted = countedOf(
    await attempts.count(attemptOf({ tenant, subject, referenceKey: found.referenceKey, cap: found.cap }), {
      ...POLICY,
      perWindow: 9,
    }),
  );
  const slot = vault.reserve({ tenant, agent: 'desk', caller: 'c' });
  try {
    return (await slot?.compare(counted, pin, found.credential, found.hashForm)) === true;
  } finally {
    slot?.release();
  }
}

const formOf = async (tenant: string, subject: string): Promise<string | undefined> =>
  (await subjects.find(tenant, 'id', subject, 'pin')).credential?.hashForm;

async function factsOf(tenant: string): Promise<Record<string, unknown>[]> {
  const rows = await tables.database.query<{ payload: string }>('SELECT payload FROM verification.outbox ORDER BY seq');
  return rows
    .map(({ payload }) => JSON.parse(payload) as Record<string, unknown>)
    .filter((one) => one['tenant'] === tenant);
}

describe('an import', () => {
  it('creates subjects with profile, numbers, PIN and answers, and records who did it', async () => {
    const tenant = newTenant();
    const rows = [
      row(1, 'alice', { phones: ['+12025550123'], displayName: 'Alice', locale: 'en-US', pin: PIN }),
      row(2, 'bob', { answers: { last_four_ssn: '6789', zip_code: '94103' } }),
      row(3, 'carol'),
    ];
    expect(resultsOf(await importRows(tenant, rows))).toEqual(['created', 'created', 'created']);
    expect(await verifies(tenant, 'alice', PIN)).toBe(true);
    expect(await verifies(tenant, 'alice', '19283746')).toBe(false);
    expect(await subjects.find(tenant, 'id', 'alice', 'pin')).toMatchObject({ displayName: 'Alice', locale: 'en-US' });
    expect(await subjects.state(tenant, 'bob', 900)).toMatchObject({ pinEnrolled: false, knowledgeEnrolled: true });
    const facts = await factsOf(tenant);
    expect(facts.map(({ kind, subject }) => `${String(kind)} ${String(subject)}`)).toEqual([
      'subject.changed alice',
      'credential.enrolled alice',
      'subject.changed bob',
      'credential.enrolled bob',
      'subject.changed carol',
    ]);
    for (const fact of facts) expect(fact).toMatchObject({ actor: TEST_ACTOR, commandId: 'import-of-the-test' });
  });

  it('changes nothing when a batch is delivered again, also side by side', async () => {
    const tenant = newTenant();
    const rows = Array.from({ length: 20 }, (_, n) => row(n + 1, `s-${n}`, { pin: PIN, displayName: `S ${n}` }));
    const both = await Promise.all([importRows(tenant, rows), importRows(tenant, rows)]);
    expect(both.flatMap(resultsOf).filter((result) => result === 'created')).toHaveLength(20);
    expect(resultsOf(await importRows(tenant, rows))).toEqual(rows.map(() => 'unchanged'));
    expect(await factsOf(tenant)).toHaveLength(40);
  });

  it('updates what differs, keeps what is not given, and leaves the rest unchanged', async () => {
    const tenant = newTenant();
    await importRows(tenant, [row(1, 'alice', { displayName: 'Alice', pin: PIN }), row(2, 'bob', { pin: PIN })]);
    const again = [
      row(1, 'alice', { displayName: 'Alicia' }),
      row(2, 'bob', { pin: PIN }),
      row(3, 'bob', { pin: '19283746' }),
    ];
    const results = await importRows(tenant, again, { importId: 'second-import' });
    expect(resultsOf(results)).toEqual(['updated', 'unchanged', 'updated']);
    expect(await subjects.find(tenant, 'id', 'alice', 'pin')).toMatchObject({ displayName: 'Alicia' });
    expect(await verifies(tenant, 'alice', PIN)).toBe(true);
    expect(await verifies(tenant, 'bob', '19283746')).toBe(true);
    const facts = await factsOf(tenant);
    expect(facts.slice(4).map(({ kind }) => kind)).toEqual(['subject.changed', 'credential.changed']);
    expect(resultsOf(await importRows(tenant, again.slice(2), { importId: 'second-import' }))).toEqual(['unchanged']);
  });

  it('rejects a row with the rules that it breaks, and carries out the others', async () => {
    const tenant = newTenant();
    await importRows(tenant, [row(1, 'owner', { phones: ['+12025550123'] }), row(2, 'bob', { pin: PIN })]);
    await importRows(tenant, [row(3, 'bob', { pin: '19283746' })]);
    const rows = [
      row(1, 'no spaces'),
      row(2, 'a', { pin: '1234' }),
      row(3, 'b', { pin: '555013', phones: ['+12025550134'] }),
      row(4, 'c', { phones: ['+12025550123'] }),
      row(5, 'd', { phones: ['+12025550199'] }),
      row(6, 'e', { phones: ['+12025550199'] }),
      row(7, 'f', { answers: { pet: 'Rex' } }),
      row(8, 'g', { pinHash: '$2b$13$' + '.'.repeat(53) }),
      row(9, 'bob', { pin: PIN, displayName: 'Bob' }),
      row(10, 'bob', { phones: ['+12025550123'] }),
      row(11, 'h', { pin: PIN }),
    ];
    for (const dryRun of [true, false]) {
      const results = await importRows(tenant, rows, { importId: 'a-bad-import', dryRun });
      const fields = results.map(({ result, violations }) => violations?.map(({ field }) => field).join() ?? result);
      expect(fields).toEqual([
        ...['subject', 'pin', 'pin', 'phones', 'created', 'phones', 'answers.pet', 'pinHash'],
        // A dry run compares no PIN with an earlier one.
        ...[dryRun ? 'updated' : 'pin', 'phones', 'created'],
      ]);
      expect(JSON.stringify(results)).not.toMatch(/1234|555013|5550199|Rex|\.\.\.\./);
    }
    expect(await subjects.find(tenant, 'id', 'bob', 'pin')).toMatchObject({ displayName: undefined });
  });

  it('does not reveal in a dry run whether a PIN is one of the subject', async () => {
    const tenant = newTenant();
    await importRows(tenant, [row(1, 'alice', { pin: '19283746' }), row(2, 'bob', { phones: ['+12025550123'] })]);
    await importRows(tenant, [row(3, 'alice', { pin: PIN })]);
    const guesses = [PIN, '19283746', '40718263'].map((pin, at) => row(at + 4, 'alice', { pin }));
    const results = await importRows(tenant, guesses, { importId: 'guess-the-pin', dryRun: true });
    expect(resultsOf(results)).toEqual(['updated', 'updated', 'updated']);
    // A number of another subject keeps a row from taking effect.
    const kept = guesses.map((guess) => ({ ...guess, phones: ['+12025550123'] }));
    const rejected = await importRows(tenant, kept, { importId: 'guess-and-fail' });
    const fields = rejected.map(({ violations = [] }) => violations.map(({ field }) => field).join());
    expect(fields).toEqual(['phones', 'phones', 'phones']);
    expect(await verifies(tenant, 'alice', PIN)).toBe(true);
  });

  it('writes nothing in a dry run', async () => {
    const tenant = newTenant();
    const rows = [row(1, 'alice', { pin: PIN, phones: ['+12025550123'] })];
    expect(resultsOf(await importRows(tenant, rows, { dryRun: true }))).toEqual(['created']);
    expect(await subjects.state(tenant, 'alice', 900)).toBeUndefined();
    expect(await factsOf(tenant)).toEqual([]);
    expect(resultsOf(await importRows(tenant, rows))).toEqual(['created']);
  });

  it('does not open a batch whose fields were changed', async () => {
    const command = {
      commandId: randomUUID(),
      actor: TEST_ACTOR,
      tenant: newTenant(),
      importId: 'import-1',
      dryRun: true,
    };
    const sealed = await sealer.seal({ rows: [] }, bindingOf(SubjectImportRequested, command));
    const changed = message(SubjectImportRequested, { ...command, dryRun: false, sealed });
    expect(await importer.import(changed)).toMatchObject({ answer: 'unavailable' });
  });

  it('locks counters in the order of the attempt gate when it names their subjects, whatever the order of its rows', async () => {
    const tenant = newTenant();
    for (const counter of ['1', '2', '3']) await attempts.count(attemptOf({ tenant, referenceKey: counter }), POLICY);
    const lock = `SELECT FROM verification.attempt_counters WHERE tenant = $1 AND counter_key = $2 FOR UPDATE NOWAIT`;
    await tables.database
      .transaction(async (tx) => {
        await tx.query(lock, [tenant, '1']);
        const [session] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        const naming = tables.service
          .forTenants([tenant])
          .query(NAME_SUBJECTS, [tenant, ['3', '2', '1'], ['c', 'b', 'a']]);
        await eventually('the statement waits for the first counter', async () => {
          const waiting = await tables.database.query(
            'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))',
            [session?.pid],
          );
          return waiting.length > 0;
        });
        for (const counter of ['2', '3']) await tx.query(lock, [tenant, counter]);
        return { naming };
      })
      .then(({ naming }) => naming);
  });

  it('gives no new attempts to a subject that is created after attempts at its id', async () => {
    const tenant = newTenant();
    for (let n = 0; n < 9; n++) expect(await verifies(tenant, 'alice', PIN)).toBe(false);
    await importRows(tenant, [row(1, 'alice', { pin: PIN })]);
    const locked = await subjects.list(tenant, { limit: 9, credential: 'locked', windowSeconds: POLICY.windowSeconds });
    expect(locked.items).toMatchObject([{ subject: 'alice' }]);
    expect(await verifies(tenant, 'alice', PIN)).toBe(false);
  });
});

describe('a hash of another system', () => {
  const hashes = async (): Promise<[form: string, hash: string][]> => {
    other ??= await ArgonPinVault.open({
      keyring: new Keyring(new Secret(`k9:${Buffer.alloc(32, 9).toString('base64url')}`)),
      ...{ cost: { memoryKib: 128, passes: 3, lanes: 2 }, concurrency: 1, queueLimit: 9 },
    });
    const bound = {
      kind: 'pin',
      tenant: 't',
      subject: 's',
      version: 1,
      cap: 10,
      mustChange: false,
      enrolledAt: '0',
    } as const;
    const { wrapped } = (await other.prepare(PIN, 't'))(bound);
    const ring = new Keyring(new Secret(`k9:${Buffer.alloc(32, 9).toString('base64url')}`));
    const context = ['pin', 't', 's', '1', '10', 'false', '0'];
    const [phc = ''] = JSON.parse(ring.unwrap({ keyId: 'k9', bytes: wrapped }, context)) as string[];
    return [
      ['argon2id:128:3:2', phc],
      ['bcrypt:04', `$2b$${BCRYPT}`],
      ['bcrypt:04', `$2y$${BCRYPT}`],
    ];
  };

  it('verifies its PIN and no other, and is replaced by one of our own after the first success', async () => {
    for (const [form, pinHash] of await hashes()) {
      const tenant = newTenant();
      expect(resultsOf(await importRows(tenant, [row(1, 'alice', { pinHash })]))).toEqual(['created']);
      expect(await verifies(tenant, 'alice', '19283746')).toBe(false);
      expect(await formOf(tenant, 'alice')).toBe(form);
      expect(await verifies(tenant, 'alice', PIN)).toBe(true);
      await eventually('the hash is replaced', async () => (await formOf(tenant, 'alice')) === undefined);
      expect(await verifies(tenant, 'alice', PIN)).toBe(true);
      expect(await verifies(tenant, 'alice', '19283746')).toBe(false);
      // The same line again must not bring the replaced hash back.
      expect(resultsOf(await importRows(tenant, [row(1, 'alice', { pinHash })]))).toEqual(['unchanged']);
      expect(await formOf(tenant, 'alice')).toBeUndefined();
    }
  });

  it('is unchanged when it is imported again under another id', async () => {
    const [, [, pinHash] = ['', '']] = await hashes();
    const tenant = newTenant();
    await importRows(tenant, [row(1, 'alice', { pinHash })]);
    const again = await importRows(tenant, [row(1, 'alice', { pinHash })], { importId: 'another-import' });
    expect(resultsOf(again)).toEqual(['unchanged']);
  });

  it('is bound to its form: with another one, it is reported as altered and verifies nobody', async () => {
    const [[, pinHash] = ['', '']] = await hashes();
    const tenant = newTenant();
    await importRows(tenant, [row(1, 'alice', { pinHash })]);
    for (const form of [`'bcrypt:12'`, 'NULL']) {
      await tables.database.query(`UPDATE verification.credentials SET hash_form = ${form} WHERE tenant = $1`, [
        tenant,
      ]);
      await expect(verifies(tenant, 'alice', PIN)).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    }
  });

  it('gives its form to a like share of the references without a subject, so time does not reveal who exists', async () => {
    const [, [, pinHash] = ['', '']] = await hashes();
    const tenant = newTenant();
    const rows = Array.from({ length: 40 }, (_, n) => row(n + 1, `s-${n}`, n % 4 === 0 ? { pin: PIN } : { pinHash }));
    await importRows(tenant, rows);
    const names = Array.from({ length: 400 }, () => randomUUID());
    const forms = await Promise.all(
      names.map(async (name) => (await subjects.find(tenant, 'id', name, 'pin')).hashForm),
    );
    // Three quarters of 400, and six times its standard deviation.
    const foreign = forms.filter((form) => form === 'bcrypt:04').length;
    expect(foreign).toBeGreaterThan(248);
    expect(foreign).toBeLessThan(352);
  });
});
