import { type Pool, type PoolClient, type QueryConfig } from 'pg';
import { ServiceError } from '@countersign/service';
import { DataSource } from 'typeorm';
import { connectionOf, type DatabaseTls } from './connection.js';
import { isConnectionLoss, isDatabaseDown, isRefusal, translateError } from './database-errors.js';
import { migrate, type MigrationClass } from './migrate.js';
import { checkSchemaName, withSearchPath } from './schema.js';
import { SILENT } from './silent-logger.js';

const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** For a server that vanished without a word; longer than its own limit, which gives the better message. */
const ANSWER_TIMEOUT_MS = 15_000;
const PROBE_INTERVAL_MS = 1_000;

/** Runs statements. Rows come as the driver reads them: bigint and numeric as strings, timestamps as Date. */
export interface Sql {
  /**
   * Runs one statement and returns its rows, those of RETURNING included.
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable) or INTERNAL (the statement is wrong)
   * @throws UniqueViolation, ConstraintViolation
   */
  query<T = unknown>(sql: string, params?: readonly unknown[]): Promise<T[]>;
  /**
   * The same, parsed and planned once per connection: for statements that run many times a second. One name stands for
   * one text, of at most 63 characters, for ever; it must not hold anything that varies.
   */
  prepared<T = unknown>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]>;
}

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; `?sslmode=verify-full` for TLS, see {@link connectionOf}. */
  readonly url: string;
  readonly tls?: DatabaseTls;
  /** The service's own schema, made when it is missing; the only one on the search path. */
  readonly schema: string;
  /** Every migration there ever was, see {@link Migration}; `'none'`: the schema is another program's, taken as it is. */
  readonly migrations: readonly MigrationClass[] | 'none';
  /** Connections at most. Default 10. */
  readonly poolSize?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Limit of one statement in milliseconds. Default 10,000. */
  readonly statementTimeoutMs?: number;
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
    throw isRefusal(fault) ? new ServiceError('DATABASE_UNAVAILABLE', fault.message, false, fault.cause) : fault;
  }
}

async function open(options: DatabaseOptions): Promise<Database> {
  const schema = checkSchemaName(options.schema);
  const { url, ssl } = connectionOf(withSearchPath(options.url, schema), options.tls);
  const { migrations, applicationName } = options;
  if (migrations !== 'none') await migrate({ url, ssl, schema, migrations, applicationName });
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    ssl,
    schema,
    logging: false,
    logger: SILENT,
    installExtensions: false,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    poolSize: options.poolSize ?? 10,
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
  return new Database(dataSource, schema);
}

/**
 * The database of one service. TypeORM makes and ends the pool; statements go to the pool's connections directly,
 * which gives rows of one shape for every command and can prepare statements.
 */
export class Database implements Sql {
  readonly #dataSource: DataSource;
  readonly #pool: Pool;
  #up = true;
  #closing: Promise<void> | undefined;
  #probe: NodeJS.Timeout | undefined;

  constructor(
    dataSource: DataSource,
    /** Name of the schema, safe to be written into SQL. */
    readonly schema: string,
  ) {
    this.#dataSource = dataSource;
    this.#pool = (dataSource.driver as unknown as { master: Pool }).master;
    // An idle connection died, perhaps one of many: the database is asked before it is called down.
    this.#pool.on('error', () => this.#ask());
  }

  query<T = unknown>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#single<T>({ text: sql, values: [...params] });
  }

  prepared<T = unknown>(name: string, sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#single<T>({ name, text: sql, values: [...params] });
  }

  /**
   * Runs `work` in a transaction at READ COMMITTED: every statement sees what was committed before it began. Commits
   * when `work` resolves, rolls back when it rejects, and rejects with its error. Inside, one statement at a time.
   * A connection lost during the commit leaves open whether it happened: whoever does the work again must be idempotent.
   * @throws ServiceError as {@link Sql.query}; also when `work` swallowed the error of a statement, because PostgreSQL
   * would then roll back and call it success
   */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
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
    });
  }

  /**
   * Lends one connection to `work`: for this library's own use, where transactions and scripts are written by hand.
   * A connection whose state is unknown afterwards is not used again.
   */
  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => this.#fail(error));
    const session = new Session(client, (error) => this.#note(error));
    try {
      return await work(session);
    } finally {
      session.end();
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

  async #single<T>(query: QueryConfig): Promise<T[]> {
    try {
      const { rows } = await this.#pool.query(query);
      this.#up = true;
      return rows as T[];
    } catch (error) {
      return this.#fail(error);
    }
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

/** One connection, lent for the time of {@link Database.session}. */
export class Session implements Sql {
  readonly #client: PoolClient;
  readonly #translate: (error: unknown) => Error;
  /** While a connection is lent the pool does not listen, and an unheard 'error' event ends the process. */
  readonly #onError = (error: Error): void => this.#break(error);
  #open = true;
  #broken = false;
  /** The first error of a statement since the start. */
  failure: Error | undefined;

  constructor(client: PoolClient, translate: (error: unknown) => Error) {
    this.#client = client;
    this.#translate = translate;
    client.on('error', this.#onError);
  }

  query<T = unknown>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ text: sql, values: [...params] });
  }

  prepared<T = unknown>(name: string, sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ name, text: sql, values: [...params] });
  }

  /** Several statements in one round trip, without parameters; returns the rows of the last one. */
  script<T = unknown>(sql: string): Promise<T[]> {
    return this.#run<T>({ text: sql });
  }

  /** Never rejects: the error that led here is the one to tell. A connection that cannot roll back is thrown away. */
  async rollback(): Promise<void> {
    if (this.#broken) return;
    await this.#client.query('ROLLBACK').catch((error: unknown) => this.#break(error));
  }

  /** Gives the connection back; statements that come later are refused, for it may serve somebody else by then. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#client.removeListener('error', this.#onError);
    this.#client.release(this.#broken);
  }

  async #run<T>(query: QueryConfig): Promise<T[]> {
    if (!this.#open) throw new Error('A statement was begun after its transaction had ended; await every statement');
    try {
      const result: unknown = await this.#client.query(query);
      const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: T[] };
      return last.rows;
    } catch (error) {
      if (isConnectionLoss(error)) this.#broken = true;
      const fault = this.#translate(error);
      this.failure ??= fault;
      throw fault;
    }
  }

  #break(error: unknown): void {
    this.#broken = true;
    this.failure ??= this.#translate(error);
  }
}
