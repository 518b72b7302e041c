import { databaseTls, type StoreSettings } from '@countersign/hosting';
import {
  inspectServer,
  migrationState,
  NEWER_SCHEMA_CURE,
  openDatabase,
  readerState,
  schemaFaults,
  unknownMigrations,
  type Database,
  type SchemaFault,
  type ServerInspection,
} from '@countersign/persistence';
import { type ClockOffset } from './clock-check.js';
import { type ExaminedInstallation, type ExaminedService } from './installation.js';
import { type CheckResult, type Report } from './report.js';

const CONNECT_LIMIT_MS = 8_000;
const STATEMENT_LIMIT_MS = 8_000;
/** Older versions are not tested. */
const TESTED_MAJOR = 18;
const SCHEMA_CHECKS = ['migrations', 'rights', 'row-security'] as const;

/** The tables of a service that can be read. */
export interface OpenStore {
  readonly service: ExaminedService;
  readonly database: Database;
  /** False before the first start of the service. */
  readonly hasTables: boolean;
  /** Whether all migrations of the build were applied. */
  readonly isCurrent: boolean;
}

/** What the checks of the database hand on to others. */
export interface DatabaseState {
  readonly stores: readonly OpenStore[];
  readonly clock: ClockOffset | undefined;
  readonly certificateExpiresAt: Date | undefined;
  /** Why there are no stores. */
  readonly reason: string;
}

/** The server, and the tables of each service in it. */
export async function checkDatabase(report: Report, installation: ExaminedInstallation): Promise<DatabaseState> {
  const { embedded, isNew } = installation;
  const services = installation.services.filter(({ needs }) => needs.store !== undefined);
  const none = (reason: string): DatabaseState => {
    for (const check of SCHEMA_CHECKS) report.skip(check, reason);
    return { stores: [], clock: undefined, certificateExpiresAt: undefined, reason };
  };
  const [first] = services;
  if (first === undefined) {
    const reason = isNew ? 'npm start has not created the database yet' : 'these services have no tables';
    report.skip('database', reason);
    return none(reason);
  }
  const wrong = first.faults.some((fault) => fault.startsWith('DATABASE_'));
  if (wrong) {
    report.skip('database', 'its settings are wrong, see settings');
    return none('the settings of the database are wrong');
  }
  if (embedded !== undefined && 'fault' in embedded) {
    report.add({ check: 'database', ...embedded.fault });
    return none('the database is not available');
  }
  const settings = first.settings as StoreSettings;
  let server: ServerInspection | undefined;
  const isUp = await report.run('database', async () => {
    server = await inspectServer(settings.DATABASE_URL.reveal(), databaseTls(settings), CONNECT_LIMIT_MS);
    return serverResult(server, embedded?.note);
  });
  if (server === undefined) return none('the database is not available');
  const { clockOffset: clock, tls } = server;
  const readers = installation.services.filter(({ needs }) => needs.reads !== undefined);
  const opened = isUp ? await openStores(report, services, readers) : undefined;
  return {
    ...(opened === undefined ? none('the database is not usable') : { stores: opened, reason: '' }),
    ...{ clock, certificateExpiresAt: tls?.certificateExpiresAt },
  };
}

function serverResult({ version, isReadOnly, tls }: ServerInspection, note: string | undefined): CheckResult {
  const ok = `PostgreSQL ${version}, ${note ?? (tls ? `over ${tls.protocol}` : 'without TLS')}`;
  if (isReadOnly) {
    const text = 'the server is read-only';
    return { ok, problems: [{ status: 'failed', text, cure: 'point DATABASE_URL at the primary' }] };
  }
  if (Number.parseInt(version, 10) >= TESTED_MAJOR) return { ok, problems: [] };
  const cure = `use PostgreSQL ${TESTED_MAJOR}`;
  return { ok, problems: [{ status: 'warning', text: `PostgreSQL ${version} is not tested`, cure }] };
}

/** Undefined when the server stopped answering; the checks that remain would wait as long. */
async function openStores(
  report: Report,
  services: readonly ExaminedService[],
  readers: readonly ExaminedService[],
): Promise<readonly OpenStore[] | undefined> {
  const stores: OpenStore[] = [];
  const migrations: CheckResult['problems'][number][] = [];
  const faults: SchemaFault[] = [];
  const hasAnswered = await report.run('migrations', async () => {
    for (const service of services) {
      const { schema = '', migrations: known = [] } = service.needs.store ?? {};
      const database = await openReadOnly(service, schema);
      const { pending, unknown, schemaExists } = await migrationState(database, schema, known);
      stores.push({ service, database, hasTables: schemaExists, isCurrent: pending.length + unknown.length === 0 });
      if (unknown.length > 0) {
        const text = `the schema ${schema} ${unknownMigrations(unknown)}`;
        migrations.push({ status: 'failed', text, cure: NEWER_SCHEMA_CURE });
      }
      if (schemaExists && pending.length > 0) {
        const text = `the schema ${schema} lacks the migrations ${pending.join(', ')}`;
        const cure = `restart every copy of ${service.needs.name} with this build: the start applies them`;
        migrations.push({ status: 'failed', text, cure });
      }
      if (schemaExists) faults.push(...(await schemaFaults(database, schema)));
    }
    for (const reader of readers) faults.push(...(await readerFaults(reader, stores)));
    return { ok: versionsOf(stores), problems: migrations };
  });
  // A migration that is missing is a failure too, and an answer.
  if (!hasAnswered && migrations.length === 0) return undefined;
  await report.run('rights', () => resultOf(faults, ['role', 'right'], 'every service can use its own tables'));
  await report.run('row-security', () => resultOf(faults, ['row-security'], 'forced on every table with tenants'));
  return stores;
}

/** What a service cannot read of the tables of another one that has its tables. */
async function readerFaults(service: ExaminedService, stores: readonly OpenStore[]): Promise<SchemaFault[]> {
  const { needs, faults } = service;
  const { reads } = needs;
  const exists = stores.some(({ database, isCurrent }) => database.schema === reads?.schema && isCurrent);
  if (reads === undefined || !exists || faults.some((fault) => fault.startsWith('DATABASE_'))) return [];
  const database = await openReadOnly(service, reads.schema);
  const { unreadable } = await readerState(database, reads).finally(() => database.close());
  if (unreadable.length === 0) return [];
  const grants = `GRANT USAGE ON SCHEMA ${reads.schema} TO ${reads.role}; GRANT SELECT ON ${unreadable.join(', ')} TO ${reads.role}`;
  return [
    { kind: 'right', problem: `${needs.name} cannot read ${unreadable.join(', ')}`, cure: `as the owner: ${grants}` },
  ];
}

const versionsOf = (stores: readonly OpenStore[]): string => {
  const missing = stores.filter(({ hasTables }) => !hasTables).map(({ service }) => service.needs.name);
  return missing.length === 0 ? 'all were applied' : `the first start creates the tables of ${missing.join(', ')}`;
};

function resultOf(faults: readonly SchemaFault[], kinds: readonly SchemaFault['kind'][], ok: string): CheckResult {
  const found = faults.filter(({ kind }) => kinds.includes(kind));
  return { ok, problems: found.map(({ problem: text, cure }) => ({ status: 'failed', text, cure })) };
}

/** With the rights of the login, and in read-only transactions: no mistake here can change a row. */
function openReadOnly({ settings }: ExaminedService, schema: string): Promise<Database> {
  const store = settings as StoreSettings;
  const url = new URL(store.DATABASE_URL.reveal());
  const options = [url.searchParams.get('options') ?? '', '-c default_transaction_read_only=on'];
  url.searchParams.set('options', options.join(' ').trim());
  return openDatabase({
    ...{ url: url.href, tls: databaseTls(store), schema, migrations: 'none', as: 'administrator' },
    ...{ poolSize: 1, applicationName: 'countersign doctor', statementTimeoutMs: STATEMENT_LIMIT_MS },
  });
}
