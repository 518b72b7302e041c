import { type Pool, type PoolClient } from 'pg';
import { ServiceError } from '@countersign/runtime';
import { DataSource } from 'typeorm';
import { ConnectionQueue } from './connection-queue.js';
import { connectionOf, type DatabaseTls } from './connection.js';
import { isDatabaseDown, isServerRefusal, translateError } from './database-errors.js';
import { migrate, type MigrationClass } from './migrate.js';
import { checkSchemaName, withSearchPath } from './schema.js';
import { Session, type Sql } from './session.js';
import { SILENT_LOGGER } from './silent-logger.js';
import { ALL_TENANTS, NO_TENANTS, TENANTS_SETTING, tenantsValue } from './tenant-rows.js';

const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** For a server that vanished without a word; longer than its own limit, which gives the better message. */
const ANSWER_TIMEOUT_MS = 15_000;
const DEFAULT_POOL_SIZE = 10;
const PROBE_INTERVAL_MS = 1_000;

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; `?sslmode=verify-full` for TLS, see {@link connectionOf}. */
  readonly url: string;
  readonly tls?: DatabaseTls;
  /** The service's own schema, made when it is missing; the only one on the search path. */
  readonly schema: string;
  /** Every migration there ever was, see {@link Migration}; `'none'`: the schema is another program's, taken as it is. */
  readonly migrations: readonly MigrationClass[] | 'none';
  /**
   * `service` (default): with the rights of the schema's role, see {@link prepareServiceRole}, and each statement sees the
   * rows of the tenants that it names. `administrator`: with all rights of the login, and every tenant's rows.
   */
  readonly as?: 'service' | 'administrator';
  /** Connections at most. Default 10. */
  readonly poolSize?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Limit of one statement in milliseconds. Default 10,000. */
  readonly statementTimeoutMs?: number;
}

/** Statements and transactions, with the rows of some tenants in sight. */
export interface TenantDatabase extends Sql {
  /**
   * Runs `work` in a transaction at READ COMMITTED: every statement sees what was committed before it began. Commits
   * when `work` resolves, rolls back when it rejects, and rejects with its error. Inside, one statement at a time.
   * A connection lost during the commit leaves open whether it happened: whoever does the work again must be idempotent.
   * @throws ServiceError as {@link Sql.query}; also when `work` swallowed the error of a statement, because PostgreSQL
   * would then roll back and call it success
   */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
}

/**
 * Brings the schema up to date and opens the pool of connections.
 * @throws ServiceError SETTINGS_INVALID; DATABASE_UNAVAILABLE when the server cannot be reached (retriable), when it
 * refuses us or we its certificate, or when its schema is newer than this code (not retriable); INTERNAL when a migration
 * fails
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  try {
    return await open(options);
  } catch (error) {
    const fault = translateError(error);
    // What the server refuses now it refuses in a minute too. Later on it is worth waiting for somebody to mend it.
    throw isServerRefusal(fault) ? new ServiceError('DATABASE_UNAVAILABLE', fault.message, false, fault.cause) : fault;
  }
}

async function open(options: DatabaseOptions): Promise<Database> {
  const schema = checkSchemaName(options.schema);
  // Steps of a migration rewrite the rows of every tenant.
  const everything = { [TENANTS_SETTING]: ALL_TENANTS };
  const owner = connectionOf(withSearchPath(options.url, schema, everything), options.tls);
  const { migrations, applicationName, as = 'service' } = options;
  const made = migrations === 'none' ? undefined : await migrate({ ...owner, schema, migrations, applicationName });
  const role = as === 'service' ? made : undefined;
  const tenants = as === 'service' ? NO_TENANTS : ALL_TENANTS;
  const started = { [TENANTS_SETTING]: tenants, ...(role === undefined ? {} : { role }) };
  const { url, ssl } = connectionOf(withSearchPath(options.url, schema, started), options.tls);
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    ssl,
    schema,
    logging: false,
    logger: SILENT_LOGGER,
    installExtensions: false,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    poolSize: options.poolSize ?? DEFAULT_POOL_SIZE,
    applicationName: options.applicationName,
    poolErrorHandler: () => undefined,
    extra: {
      statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
      query_timeout: Math.max(ANSWER_TIMEOUT_MS, (options.statementTimeoutMs ?? 0) * 1.5),
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    },
  });
  await dataSource.initialize();
  const queue = new ConnectionQueue(options.poolSize ?? DEFAULT_POOL_SIZE, CONNECT_TIMEOUT_MS);
  return new Database(dataSource, queue, schema, role, tenants);
}

/**
 * The database of one service. TypeORM makes and ends the pool; statements go to the pool's connections directly,
 * which gives rows of one shape for every command and can prepare statements.
 */
export class Database implements TenantDatabase {
  readonly #dataSource: DataSource;
  readonly #pool: Pool;
  readonly #queue: ConnectionQueue;
  /** What a statement sees that names no tenants. */
  readonly #unnamed: string;
  readonly #told = new WeakMap<PoolClient, string>();
  #up = true;
  #closing: Promise<void> | undefined;
  #probe: NodeJS.Timeout | undefined;

  constructor(
    dataSource: DataSource,
    queue: ConnectionQueue,
    /** Name of the schema, safe to be written into SQL. */
    readonly schema: string,
    /** The role whose rights its connections have; undefined: those of the login. */
    readonly role: string | undefined,
    tenants: string,
  ) {
    this.#dataSource = dataSource;
    this.#queue = queue;
    this.#unnamed = tenants;
    this.#pool = (dataSource.driver as unknown as { master: Pool }).master;
    // An idle connection died, perhaps one of many: the database is asked before it is called down.
    this.#pool.on('error', () => this.#ask());
  }

  query<T = unknown>(sql: string, params?: readonly unknown[]): Promise<T[]> {
    return this.#single((session) => session.query<T>(sql, params), this.#unnamed);
  }

  prepared<T = unknown>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]> {
    return this.#single((session) => session.prepared<T>(name, sql, params), this.#unnamed);
  }

  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    return this.#transaction(work, this.#unnamed);
  }

  /**
   * Statements that see and write the rows of these tenants and of no others, see {@link tenantRows}. Tables without such
   * rows are the same for everybody. Costs a round trip where the connection last worked for others.
   */
  forTenants(tenants: Iterable<string>): TenantDatabase {
    return this.#seeing(tenantsValue(tenants));
  }

  /** Statements that see the rows of every tenant: for the service's own upkeep, never on behalf of somebody. */
  forAllTenants(): TenantDatabase {
    return this.#seeing(ALL_TENANTS);
  }

  /**
   * Lends one connection to `work`: for this library's own use, where transactions and scripts are written by hand.
   * A connection whose state is unknown afterwards is not used again.
   * @param tenants whose rows are in sight; by default those of whoever had the connection before, for statements about
   * tables that have no rows of tenants: it spares them, and whoever comes next, a round trip
   */
  async session<T>(work: (session: Session) => Promise<T>, tenants?: string): Promise<T> {
    await this.#queue.enter(tenants ?? '').catch((error: unknown) => this.#fail(error));
    try {
      const client = await this.#pool.connect().catch((error: unknown) => this.#fail(error));
      const session = new Session(client, (error) => this.#note(error), this.#told);
      try {
        if (tenants !== undefined) await session.forTenants(tenants);
        return await work(session);
      } finally {
        session.end();
      }
    } finally {
      this.#queue.leave();
    }
  }

  /** One round trip. @throws ServiceError DATABASE_UNAVAILABLE */
  async ping(): Promise<void> {
    await this.query('SELECT 1');
  }

  /** False from a loss of the database until it answers again; it is asked every second meanwhile. */
  healthy(): boolean {
    return this.#up && this.#closing === undefined;
  }

  /** Waits for statements and transactions under way, then disconnects. */
  close(): Promise<void> {
    clearTimeout(this.#probe);
    this.#closing ??= this.#dataSource.destroy();
    return this.#closing;
  }

  #seeing(tenants: string): TenantDatabase {
    return {
      query: (sql, params) => this.#single((session) => session.query(sql, params), tenants),
      prepared: (name, sql, params) => this.#single((session) => session.prepared(name, sql, params), tenants),
      transaction: (work) => this.#transaction(work, tenants),
    };
  }

  async #single<T>(statement: (session: Session) => Promise<T[]>, tenants: string): Promise<T[]> {
    const rows = await this.session(statement, tenants);
    this.#up = true;
    return rows;
  }

  #transaction<T>(work: (tx: Sql) => Promise<T>, tenants: string): Promise<T> {
    return this.session(async (session) => {
      await session.script('BEGIN ISOLATION LEVEL READ COMMITTED');
      let result: T;
      try {
        result = await work(session);
        if (session.failure !== undefined) throw session.failure;
      } catch (error) {
        await session.rollback();
        throw error;
      }
      await session.script('COMMIT');
      return result;
    }, tenants);
  }

  /** The answer, or its absence, sets the state. */
  #ask(): void {
    this.ping().catch(() => undefined);
  }

  #fail(error: unknown): never {
    throw this.#note(error);
  }

  #note(error: unknown): Error {
    const fault = translateError(error);
    if (isDatabaseDown(fault) && this.#closing === undefined) {
      this.#up = false;
      clearTimeout(this.#probe);
      this.#probe = setTimeout(() => this.#ask(), PROBE_INTERVAL_MS).unref();
    }
    return fault;
  }
}
