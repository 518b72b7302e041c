import { setTimeout } from 'node:timers/promises';
import { ServiceError } from '@countersign/runtime';
import { DataSource, MigrationExecutor, type Logger, type MigrationInterface, type QueryRunner } from 'typeorm';
import { type Connection } from '../connection.js';
import { translateError } from '../database-errors.js';
import { type Sql } from '../session.js';
import { prepareReaderRole, prepareServiceRole, type ReaderRole } from './service-role.js';

/** TypeORM prints failed migrations to the console regardless of `logging`; our faults contain what is safe to log. */
export const SILENT_LOGGER: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** A class with a name that ends in 13 digits: its time in milliseconds, which orders migrations. */
export type MigrationClass = new () => MigrationInterface;

/**
 * One step of a schema: statements that run in one transaction. There is no way back; the next migration corrects a
 * mistake. A released migration is never edited.
 */
export abstract class Migration implements MigrationInterface {
  abstract readonly statements: readonly string[];

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of this.statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('Migrations go forward only; restore a backup to go back'));
  }
}

const CREATE_INDEX = /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+)\s+ON (\w+)\.\w+/m;

/**
 * Builds indexes while others write their tables: a step without a transaction, because PostgreSQL refuses CONCURRENTLY inside one.
 * A build that was interrupted leaves an invalid index, which no query uses. The next start removes it and builds it again.
 */
export abstract class ConcurrentIndexes extends Migration {
  /** Read by TypeORM. */
  readonly transaction = false;

  override async up(runner: QueryRunner): Promise<void> {
    for (const statement of this.statements) {
      const [, index, schema] = CREATE_INDEX.exec(statement) ?? [];
      if (index === undefined || schema === undefined)
        throw new Error('A step without a transaction may have only CREATE INDEX CONCURRENTLY IF NOT EXISTS');
      const invalid: unknown = await runner.query(
        `SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid`,
        [`${schema}.${index}`],
      );
      if (Array.isArray(invalid) && invalid.length > 0)
        await runner.query(`DROP INDEX CONCURRENTLY ${schema}.${index}`);
      await runner.query(statement);
    }
  }
}

/** Milliseconds between two attempts to get the lock of the migrations. */
const LOCK_INTERVAL_MS = 100;

interface MigrateOptions {
  readonly url: string;
  readonly ssl: Connection['ssl'];
  readonly schema: string;
  readonly migrations: readonly MigrationClass[];
  readonly readers?: readonly ReaderRole[];
  readonly applicationName: string;
}

/**
 * Creates the schema and runs pending migrations, each in its own transaction except {@link ConcurrentIndexes}. Concurrent copies wait for each other on
 * an advisory lock. The lock belongs to the connection, so a copy that dies releases it. Uses a connection of its own,
 * because a migration may take longer than the statement limit of a service.
 * @returns the role for the service, see {@link prepareServiceRole}
 */
export async function migrate(options: MigrateOptions): Promise<string | undefined> {
  const dataSource = new DataSource({
    type: 'postgres',
    url: options.url,
    ssl: options.ssl,
    schema: options.schema,
    logging: false,
    logger: SILENT_LOGGER,
    installExtensions: false,
    connectTimeoutMS: 5_000,
    poolSize: 1,
    applicationName: `${options.applicationName} migrations`,
    migrations: [...options.migrations],
    migrationsTableName: 'migrations',
    // The connection is always in use, so its loss shows in the running statement.
    poolErrorHandler: () => undefined,
  });
  try {
    await dataSource.initialize();
    const runner = dataSource.createQueryRunner();
    await lockMigrations(runner, options.schema);
    await createSchema(runner, options.schema);
    const executor = new MigrationExecutor(dataSource, runner);
    await rejectNewerSchema(executor, options);
    executor.transaction = 'each';
    await executor.executePendingMigrations();
    for (const reader of options.readers ?? []) await prepareReaderRole(runner, reader);
    return await prepareServiceRole(runner, options.schema);
  } catch (error) {
    throw toFault(error, options.schema);
  } finally {
    // Ending the connection is what frees the lock.
    if (dataSource.isInitialized) await dataSource.destroy().catch(() => undefined);
  }
}

/**
 * Tries again and again instead of waiting in a statement: building an index concurrently waits for every statement that has begun
 * before, so it would wait for the copies that wait for it.
 */
async function lockMigrations(runner: QueryRunner, schema: string): Promise<void> {
  const sql = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked';
  for (;;) {
    const [row] = (await runner.query(sql, [`migrations:${schema}`])) as [{ locked: boolean }];
    if (row.locked) return;
    await setTimeout(LOCK_INTERVAL_MS);
  }
}

/** Checks first: CREATE SCHEMA IF NOT EXISTS needs the right to create even when the schema exists. */
async function createSchema(runner: QueryRunner, schema: string): Promise<void> {
  const found: unknown = await runner.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  if (Array.isArray(found) && found.length === 0) await runner.query(`CREATE SCHEMA ${schema}`);
}

/** An old build on a newer schema would write data that newer builds cannot read. */
async function rejectNewerSchema(executor: MigrationExecutor, options: MigrateOptions): Promise<void> {
  const known = new Set(options.migrations.map((migration) => migration.name));
  const unknown = (await executor.getExecutedMigrations()).filter((executed) => !known.has(executed.name));
  if (unknown.length === 0) return;
  const names = unknown.map((migration) => migration.name);
  throw new ServiceError(
    'DATABASE_UNAVAILABLE',
    `The schema ${options.schema} ${unknownMigrations(names)}: ${NEWER_SCHEMA_CURE}`,
    false,
  );
}

export const unknownMigrations = (names: readonly string[]): string =>
  `has migrations that this build does not know (${names.join(', ')})`;
export const NEWER_SCHEMA_CURE = 'start a build that is at least as new, or restore a backup from before them';

/** Which migrations of a schema were applied. */
export interface MigrationState {
  /** In the build and not in the schema; all of them when the schema does not exist. */
  readonly pending: readonly string[];
  /** In the schema and not in the build. */
  readonly unknown: readonly string[];
  readonly schemaExists: boolean;
}

/** Changes nothing. @throws ServiceError as `Sql.query` */
export async function migrationState(
  sql: Pick<Sql, 'query'>,
  schema: string,
  migrations: readonly MigrationClass[],
): Promise<MigrationState> {
  const known = migrations.map(({ name }) => name);
  const [table] = await sql.query<{ found: string | null }>(`SELECT to_regclass('${schema}.migrations') AS found`);
  if (!table?.found) return { pending: known, unknown: [], schemaExists: false };
  const rows = await sql.query<{ name: string }>(`SELECT name FROM ${schema}.migrations`);
  const applied = rows.map(({ name }) => name);
  return {
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
    schemaExists: true,
  };
}

function toFault(error: unknown, schema: string): Error {
  const driverError = error instanceof Error && 'driverError' in error ? error.driverError : error;
  const fault = translateError(driverError);
  if (fault instanceof ServiceError && fault.code !== 'INTERNAL') return fault;
  return new ServiceError('INTERNAL', `A migration of the schema ${schema} failed: ${fault.message}`, false, fault);
}
