import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOPICS } from '@countersign/contracts';
import { LOG_SIGNER_ROLE, type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { openReader, type Database } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { createSignerKey, openCheckpoint, parseSignerKey } from '@countersign/transparency-log';
import { PostgresLogSequencer } from '../../apps/audit/src/log/log-sequencer.store.js';
import { trailEntry } from '../../apps/audit/test/audit-trail.contract.js';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../apps/audit/test/log-bed.js';
import { verifyLog } from '../../apps/cli/src/log/verify-log.js';
import { LogInMemory } from '../../apps/cli/test/log-in-memory.js';
import { start as startSigner } from '../../apps/log-signer/src/start.js';

const READ = ['audit.log_state', 'audit.tiles', 'audit.tree_heads'];
const RESTORED = ['entries', 'tiles', 'tree_heads', 'log_state', 'publish_cursor'];
const throwFatal = (error: Error): never => {
  throw error;
};

let bed: LogBed;
beforeAll(async () => {
  bed = await openLogBed();
});
afterAll(() => bed.close());

describe('the database role of the log signer', () => {
  let reader: Database;
  beforeAll(async () => {
    reader = await openReader({ url: bed.url, applicationName: 'test' }, LOG_SIGNER_ROLE);
  });
  afterAll(() => reader.close());

  it('has the right to read three tables and no other right', async () => {
    const rights = await bed.administrator.query<{ found: string }>(
      `SELECT format('%s.%s %s', n.nspname, c.relname, p) AS found
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
         unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
       WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
         AND has_table_privilege($1, c.oid, p) ORDER BY 1`,
      [LOG_SIGNER_ROLE.role],
    );
    expect(rights.map(({ found }) => found)).toEqual(READ.map((table) => `${table} SELECT`));
    const [role] = await bed.administrator.query(
      `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolbypassrls OR rolreplication AS powerful,
         has_schema_privilege(oid, 'audit', 'CREATE') AS creates,
         (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS memberships
       FROM pg_roles r WHERE rolname = $1`,
      [LOG_SIGNER_ROLE.role],
    );
    expect(role).toEqual({ powerful: false, creates: false, memberships: 0 });
  });

  it('loses a right that somebody granted to it with the next start of audit', async () => {
    await bed.administrator.query(`GRANT ALL ON ALL TABLES IN SCHEMA audit TO ${LOG_SIGNER_ROLE.role}`);
    await bed.openCopy();
    await expect(reader.query('SELECT 1 FROM audit.entries')).rejects.toThrow('42501');
    expect(await reader.query('SELECT size FROM audit.log_state')).toEqual([{ size: '0' }]);
  });

  it.each([
    ...READ.map((table) => `DELETE FROM ${table}`),
    'CREATE TABLE audit.more (a int)',
    'SELECT 1 FROM audit.entries',
  ])('is refused by the database: %s', async (statement) => {
    await expect(reader.query(statement)).rejects.toThrow(/42501|read-only/);
    await expect(reader.query(`SET TRANSACTION READ WRITE; ${statement}`)).rejects.toThrow('42501');
  });
});

describe('an audit log that is restored from an older backup', () => {
  const KEY = createSignerKey(TEST_ORIGIN);
  const { verifier } = parseSignerKey(KEY);
  const refusals = { rollback: 0, fork: 0 };
  let folder: string;
  let broker: MemoryBroker;
  let signer: HostedService;
  const events: Record<string, unknown>[] = [];

  const startTheSigner = (): Promise<HostedService> =>
    startSigner(
      {
        ...{ DATABASE_URL: bed.url, LOG_SIGNING_KEY: KEY, LOG_ORIGIN: TEST_ORIGIN, LOG_LEVEL: 'silent' },
        LOG_SIGNER_STATE: join(folder, 'state'),
      },
      throwFatal,
      { broker, ops: false },
    );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-signer-'));
    broker = new MemoryBroker();
    signer = await startTheSigner();
    await broker.follow(
      TOPICS.facts.name,
      ({ value }) => events.push(JSON.parse(value.toString()) as Record<string, unknown>),
      throwFatal,
    );
  });
  afterAll(async () => {
    await signer.close();
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Adds facts to the log. @returns the values of all entries */
  const grow = async (to: number, text: string): Promise<Buffer[]> => {
    const from = (await bed.values()).length;
    const added = Array.from({ length: to - from }, (_, at) =>
      trailEntry({ value: Buffer.from(`${text} ${from + at}`) }),
    );
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(1_024, added);
    return bed.values();
  };
  const backUp = (name: string): Promise<unknown> =>
    bed.administrator.transaction(async (tx) => {
      await tx.query(`CREATE SCHEMA ${name}`);
      for (const table of RESTORED) await tx.query(`CREATE TABLE ${name}.${table} AS TABLE audit.${table}`);
    });
  /** As the owner of the tables can, with their triggers turned off. */
  const restore = (name: string): Promise<unknown> =>
    bed.administrator.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      for (const table of RESTORED) {
        await tx.query(`DELETE FROM audit.${table}`);
        await tx.query(`INSERT INTO audit.${table} SELECT * FROM ${name}.${table}`);
      }
    });
  const published = async (): Promise<string[]> =>
    (await broker.readNewest(TOPICS.auditCheckpoints.name, 100)).map(({ value }) => value.toString());
  const sizes = async (): Promise<number[]> => (await published()).map((note) => openCheckpoint(note, verifier).size);
  const whenSigned = (size: number): Promise<unknown> =>
    eventually(`${size} entries are signed`, async () => (await sizes()).at(-1) === size);
  const refused = async (kind: keyof typeof refusals): Promise<number> =>
    (await METRICS.logRefusals.get()).values.find(({ labels }) => labels.kind === kind)?.value ?? 0;
  const whenRefused = async (kind: keyof typeof refusals): Promise<void> => {
    await eventually(`a ${kind} is refused`, async () => (await refused(kind)) > refusals[kind]);
    refusals[kind] = await refused(kind);
    expect(signer.health.report()).toMatchObject({ status: 'unavailable', checks: { log: false, database: true } });
  };

  it('is refused by the signer, also after a restart and after it has grown again, and the verifier names the rollback', async () => {
    const older = await grow(300, 'entry');
    await whenSigned(300);
    await backUp('older');
    await grow(400, 'entry');
    await whenSigned(400);
    await backUp('newest');
    const [note300, note400] = [(await published()).at(-2)!, (await published()).at(-1)!];

    await restore('older');
    await whenRefused('rollback');
    const asServed = LogInMemory.of(older);
    asServed.files.set('checkpoint', Buffer.from(note300));
    expect(await verifyLog(asServed, [verifier], { checkpoints: [{ where: 'kept', note: note400 }] })).toMatchObject({
      result: 'tampered',
      damage: { kind: 'rolled back' },
    });

    await signer.close();
    signer = await startTheSigner();
    await whenRefused('rollback');
    await grow(500, 'other');
    await whenRefused('fork');
    expect((await sizes()).at(-1)).toBe(400);
    const details = events.filter(({ kind }) => kind === 'log.rolled_back').map(({ detail }) => detail);
    expect(details).toEqual([
      { refusal: 'rollback', signedSize: 400, size: 300 },
      { refusal: 'rollback', signedSize: 400, size: 300 },
      { refusal: 'fork', signedSize: 400, size: 500 },
    ]);

    await restore('newest');
    await eventually('the signer is ready', () => signer.health.report().status === 'ok');
    await grow(401, 'entry');
    await whenSigned(401);
  });
});
