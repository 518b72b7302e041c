import { type Pool, type PoolClient } from 'pg';
import { ServiceError } from '@countersign/runtime';
import { DataSource, QueryFailedError, type ObjectType } from 'typeorm';
import { ConnectionQueue } from './connection-queue.js';
import { connectionOf, type DatabaseTls } from './connection.js';
import { isDatabaseDown, isServerRefusal, translateError } from './database-errors.js';
import { entityManagerOn } from './entity-manager.js';
import { migrate, SILENT_LOGGER, type MigrationClass } from './schema/migrate.js';
import { checkSchemaName, withSearchPath } from './schema/schema.js';
import { readerState, type ReaderRole } from './schema/service-role.js';
import { Session, type Sql, type Transaction } from './session.js';
import { ALL_TENANTS, NO_TENANTS, TENANTS_SETTING, tenantsValue } from './tenant-rows.js';

const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Limit for a server that stops responding; longer than its own limit, which has the better message. */
const ANSWER_TIMEOUT_MS = 15_000;
const DEFAULT_POOL_SIZE = 10;
const PROBE_INTERVAL_MS = 1_000;

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; `?sslmode=verify-full` for TLS, see {@link connectionOf}. */
  readonly url: string;
  readonly tls?: DatabaseTls;
  /** The schema of the service, created when it is missing; the only one on the search path. */
  readonly schema: string;
  /** All migrations of the schema, see {@link Migration}. `'none'`: another program owns the schema. */
  readonly migrations: readonly MigrationClass[] | 'none';
  /** Roles of other processes that read tables of the schema; created with their rights after the migrations. */
  readonly readers?: readonly ReaderRole[];
  /** Classes with `@Entity` that transactions read and write. Default: none. */
  readonly entities?: readonly ObjectType<object>[];
  /**
   * `service` (default): uses the rights of the schema's role, see {@link prepareServiceRole}, and each statement sees
   * only rows of the tenants that it names. `administrator`: all rights of the login and rows of all tenants.
   */
  readonly as?: 'service' | 'administrator';
  /**
   * True: no statement scans a table that has a suitable index, whatever the statistics. A connection keeps the plans that it made
   * while tables were empty, those of foreign keys too, and a scan is the cheapest plan for an empty table. For a service that has
   * indexes for its statements and reads no large part of a table. Default false.
   */
  readonly prefersIndexes?: boolean;
  /** The maximum number of connections. Default 10. */
  readonly poolSize?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Limit of one statement in milliseconds. Default 10,000. */
  readonly statementTimeoutMs?: number;
}

/** Statements and transactions that see the rows of some tenants. */
export interface TenantDatabase extends Sql {
  /**
   * Runs `work` in a READ COMMITTED transaction: every statement sees what was committed before it began. Commits when
   * `work` resolves; rolls back and rejects with its error when it rejects. Statements inside run one at a time.
   * When the connection is lost during the commit, the result is unknown, so repeated work must be idempotent.
   * @throws ServiceError as {@link Sql.query}; also when `work` ignored the error of a statement, because PostgreSQL
   * would then roll back and report success
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/**
 * Migrates the schema and opens the connection pool.
 * @throws ServiceError SETTINGS_INVALID; DATABASE_UNAVAILABLE when the server cannot be reached (retriable), when it
 * refuses us or its certificate is not trusted, or when the schema is newer than this build (not retriable); INTERNAL
 * when a migration fails
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  try {
    return await open(options);
  } catch (error) {
    const fault = translateError(error);
    // At start a refusal is final, because retries will not help. Later it is retriable, so that a fix takes effect
    // without a restart.
    throw isServerRefusal(fault) ? new ServiceError('DATABASE_UNAVAILABLE', fault.message, false, fault.cause) : fault;
  }
}

/**
 * Opens tables of another service for reading. Its connections have a role that can do nothing else, and read-only
 * transactions.
 * @throws ServiceError DATABASE_UNAVAILABLE, retriable, until the other service has created the tables; as
 * {@link openDatabase}
 */
export async function openReader(
  options: Omit<DatabaseOptions, 'schema' | 'migrations' | 'as' | 'readers' | 'entities'>,
  reader: ReaderRole,
): Promise<Database> {
  const common = { ...options, schema: reader.schema, migrations: 'none' } as const;
  const login = await openDatabase({ ...common, as: 'administrator', poolSize: 1 });
  const { role, unreadable } = await readerState(login, reader).finally(() => login.close());
  if (unreadable.length > 0) {
    const cure = `start ${reader.schema}, which creates the tables and grants the rights of ${reader.role}`;
    throw new ServiceError('DATABASE_UNAVAILABLE', `${unreadable.join(', ')} cannot be read: ${cure}`, true);
  }
  return open(common, role, { default_transaction_read_only: 'on' });
}

async function open(
  options: DatabaseOptions,
  readerRole?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Database> {
  const schema = checkSchemaName(options.schema);
  // Migrations rewrite the rows of all tenants.
  const allTenants = { [TENANTS_SETTING]: ALL_TENANTS };
  const owner = connectionOf(withSearchPath(options.url, schema, allTenants), options.tls);
  const { migrations, readers, applicationName, as = 'service' } = options;
  const preparedRole =
    migrations === 'none'
      ? readerRole
      : await migrate({ ...owner, schema, migrations, applicationName, ...(readers && { readers }) });
  const role = as === 'service' ? preparedRole : undefined;
  const tenants = as === 'service' ? NO_TENANTS : ALL_TENANTS;
  const startParameters = {
    [TENANTS_SETTING]: tenants,
    ...(options.prefersIndexes === true && { enable_seqscan: 'off' }),
    ...more,
    ...(role === undefined ? {} : { role }),
  };
  const { url, ssl } = connectionOf(withSearchPath(options.url, schema, startParameters), options.tls);
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    ssl,
    schema,
    entities: [...(options.entities ?? [])],
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
 * The database of one service. TypeORM creates and closes the pool. Statements go to its connections directly, which
 * gives rows of one shape for every command, and prepared statements.
 */
export class Database implements TenantDatabase {
  readonly #dataSource: DataSource;
  readonly #pool: Pool;
  readonly #queue: ConnectionQueue;
  /** The visible tenants of a statement that names none. */
  readonly #defaultTenants: string;
  readonly #tenantsOfConnection = new WeakMap<PoolClient, string>();
  #isUp = true;
  #closing: Promise<void> | undefined;
  #probe: NodeJS.Timeout | undefined;

  constructor(
    dataSource: DataSource,
    queue: ConnectionQueue,
    /** Name of the schema, safe to use in SQL. */
    readonly schema: string,
    /** The role that its connections use; undefined: that of the login. */
    readonly role: string | undefined,
    tenants: string,
  ) {
    this.#dataSource = dataSource;
    this.#queue = queue;
    this.#defaultTenants = tenants;
    this.#pool = (dataSource.driver as unknown as { master: Pool }).master;
    // One idle connection died; a ping decides whether the database is down.
    this.#pool.on('error', () => this.#probeNow());
  }

  query<T = unknown>(sql: string, params?: readonly unknown[]): Promise<T[]> {
    return this.#runSingle((session) => session.query<T>(sql, params), this.#defaultTenants);
  }

  prepared<T = unknown>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]> {
    return this.#runSingle((session) => session.prepared<T>(name, sql, params), this.#defaultTenants);
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction(work, this.#defaultTenants);
  }

  /**
   * Statements that see and write only rows of these tenants. Tables without row-level security are
   * not restricted. Costs a round trip when the connection last served other tenants.
   */
  forTenants(tenants: Iterable<string>): TenantDatabase {
    return this.#withTenants(tenantsValue(tenants));
  }

  /** Statements that see the rows of all tenants: for maintenance of the service, never for a request. */
  forAllTenants(): TenantDatabase {
    return this.#withTenants(ALL_TENANTS);
  }

  /**
   * Lends one connection to `work`, for transactions and scripts inside this library. A connection in an unknown state
   * is closed afterwards.
   * @param tenants the tenants with visible rows. Default: those of the previous use of the connection, for statements
   * on tables without tenant rows; this saves a round trip
   */
  session<T>(work: (session: Session) => Promise<T>, tenants?: string): Promise<T> {
    return this.#lend(async (session) => {
      if (tenants !== undefined) await session.setTenants(tenants);
      return work(session);
    }, tenants);
  }

  /** @param tenants those that the work will set: they take turns for connections */
  async #lend<T>(work: (session: Session) => Promise<T>, tenants: string | undefined): Promise<T> {
    await this.#queue.enter(tenants ?? '').catch((error: unknown) => this.#throwTranslated(error));
    try {
      const client = await this.#pool.connect().catch((error: unknown) => this.#throwTranslated(error));
      const session = new Session(
        client,
        (error) => this.#onError(error),
        this.#tenantsOfConnection,
        (connection) => entityManagerOn(this.#dataSource, connection),
      );
      try {
        return await work(session);
      } finally {
        session.end();
      }
    } finally {
      this.#queue.leave();
    }
  }

  /**
   * One round trip.
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async ping(): Promise<void> {
    await this.query('SELECT 1');
  }

  /** False after a loss of the database until a ping succeeds; it is pinged every second. */
  healthy(): boolean {
    return this.#isUp && this.#closing === undefined;
  }

  /** Waits for running statements and transactions, then disconnects. */
  close(): Promise<void> {
    clearTimeout(this.#probe);
    this.#closing ??= this.#dataSource.destroy();
    return this.#closing;
  }

  #withTenants(tenants: string): TenantDatabase {
    return {
      query: (sql, params) => this.#runSingle((session) => session.query(sql, params), tenants),
      prepared: (name, sql, params) => this.#runSingle((session) => session.prepared(name, sql, params), tenants),
      transaction: (work) => this.#transaction(work, tenants),
    };
  }

  async #runSingle<T>(statement: (session: Session) => Promise<T[]>, tenants: string): Promise<T[]> {
    const rows = await this.session(statement, tenants);
    this.#isUp = true;
    return rows;
  }

  #transaction<T>(work: (tx: Transaction) => Promise<T>, tenants: string): Promise<T> {
    return this.#lend(async (session) => {
      try {
        await session.begin(tenants);
        const result = await work(session);
        if (session.failure !== undefined) throw session.failure;
        await session.commit();
        return result;
      } catch (error) {
        await session.rollback();
        // TypeORM's error quotes the parameters.
        throw error instanceof QueryFailedError ? error.driverError : error;
      }
    }, tenants);
  }

  /** Pings; the result updates the state. */
  #probeNow(): void {
    this.ping().catch(() => undefined);
  }

  #throwTranslated(error: unknown): never {
    throw this.#onError(error);
  }

  #onError(error: unknown): Error {
    const fault = translateError(error);
    if (isDatabaseDown(fault) && this.#closing === undefined) {
      this.#isUp = false;
      clearTimeout(this.#probe);
      this.#probe = setTimeout(() => this.#probeNow(), PROBE_INTERVAL_MS).unref();
    }
    return fault;
  }
}
