import { escapeLiteral, type PoolClient, type QueryConfig, type QueryResult } from 'pg';
import { type EntityManager } from 'typeorm';
import { isConnectionLoss } from './database-errors.js';
import { type LentConnection } from './entity-manager.js';
import { TENANTS_SETTING } from './tenant-rows.js';

/** Runs statements. Rows come as the driver reads them: bigint and numeric as strings, timestamps as Date. */
export interface Sql {
  /**
   * Runs one statement and returns its rows, those of RETURNING included.
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable) or INTERNAL (the statement is wrong)
   * @throws UniqueViolation, ConstraintViolation
   */
  query<T = unknown>(sql: string, params?: readonly unknown[]): Promise<T[]>;
  /**
   * The same, parsed and planned once per connection: for statements that run many times per second. A name of at most
   * 63 characters must always have the same text, and must not contain variable parts.
   */
  prepared<T = unknown>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]>;
}

/** The time on the clock of the database. */
export async function databaseTime(sql: Sql): Promise<Date> {
  const [row] = (await sql.query<{ now: Date }>('SELECT clock_timestamp() AS now')) as [{ now: Date }];
  return row.now;
}

/** The statements of one transaction. */
export interface Transaction extends Sql {
  /**
   * Reads and writes the entities that {@link DatabaseOptions.entities} lists, in this transaction.
   * @throws QueryFailedError, which rejects the transaction with the error that {@link Sql.query} would have thrown
   */
  readonly entities: EntityManager;
}

/** One connection, checked out for the duration of `Database.session`. */
export class Session implements Transaction {
  static readonly #preparedTexts = new WeakMap<PoolClient, Map<string, string>>();

  readonly #client: PoolClient;
  readonly #translate: (error: unknown) => Error;
  readonly #tenants: WeakMap<PoolClient, string>;
  /** While a connection is checked out, the pool does not listen to it. An unhandled 'error' event would end the process. */
  readonly #onError = (error: Error): void => this.#markBroken(error);
  #entities: EntityManager | undefined;
  #isOpen = true;
  #isBroken = false;
  /** What the transaction has changed {@link TENANTS_SETTING} to. */
  #tenantsOfTransaction: string | undefined;
  /** The first error of a statement since the start. */
  failure: Error | undefined;

  constructor(
    client: PoolClient,
    translate: (error: unknown) => Error,
    /** The tenants that each connection of the pool was set to last. */
    tenants: WeakMap<PoolClient, string>,
    private readonly entityManagerOn: (connection: LentConnection) => EntityManager,
  ) {
    this.#client = client;
    this.#tenants = tenants;
    this.#translate = translate;
    client.on('error', this.#onError);
  }

  get entities(): EntityManager {
    this.#entities ??= this.entityManagerOn({ query: (text, values = []) => this.#execute({ text, values }) });
    return this.#entities;
  }

  query<T = unknown>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ text: sql, values: [...params] });
  }

  prepared<T = unknown>(name: string, sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ name, text: sql, values: [...params] });
  }

  /**
   * Sets the tenants with visible rows for the next statements; only outside of transactions. The
   * connection keeps the value, so an unchanged value needs no round trip.
   */
  async setTenants(value: string): Promise<void> {
    if (this.#tenants.get(this.#client) === value) return;
    this.#tenants.delete(this.#client);
    await this.query('SELECT set_config($1, $2, false)', [TENANTS_SETTING, value]);
    this.#tenants.set(this.#client, value);
  }

  /**
   * Begins a READ COMMITTED transaction, and runs more statements, in one round trip.
   * @param tenants as {@link setTenants}; undefined: those of the previous use of the connection
   * @param more without parameters
   * @returns the rows of the last statement
   */
  async begin<T = unknown>(tenants: string | undefined, ...more: readonly string[]): Promise<T[]> {
    const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED';
    if (tenants === undefined || this.#tenants.get(this.#client) === tenants)
      return this.script([begin, ...more].join(';'));
    // Known after the commit: otherwise the connection has the setting of before the transaction.
    this.#tenants.delete(this.#client);
    this.#tenantsOfTransaction = tenants;
    // For longer than the transaction: the next one for the same tenants then sets nothing.
    const set = `SELECT set_config(${escapeLiteral(TENANTS_SETTING)}, ${escapeLiteral(tenants)}, false)`;
    return this.script<T>([begin, set, ...more].join(';'));
  }

  /** Commits, after more statements without parameters, in one round trip. */
  async commit(...more: readonly string[]): Promise<void> {
    await this.script([...more, 'COMMIT'].join(';'));
    if (this.#tenantsOfTransaction !== undefined) this.#tenants.set(this.#client, this.#tenantsOfTransaction);
    this.#tenantsOfTransaction = undefined;
  }

  /**
   * Parses a statement once per connection, for `EXECUTE` in a script, which plans one without parameters once.
   * @param name an SQL identifier, of this text only
   */
  async prepare(name: string, sql: string): Promise<void> {
    const texts = Session.#preparedTexts.get(this.#client) ?? new Map<string, string>();
    Session.#preparedTexts.set(this.#client, texts);
    const known = texts.get(name);
    if (known === sql) return;
    if (known !== undefined) throw new Error(`The statement ${name} was prepared with another text`);
    await this.script(`PREPARE ${name} AS ${sql}`);
    texts.set(name, sql);
  }

  /** Several statements in one round trip, without parameters; returns the rows of the last one. */
  script<T = unknown>(sql: string): Promise<T[]> {
    return this.#run<T>({ text: sql });
  }

  /** Never rejects, because the earlier error is the one to report. A connection that cannot roll back is closed. */
  async rollback(): Promise<void> {
    if (this.#isBroken) return;
    this.#tenantsOfTransaction = undefined;
    await this.#client.query('ROLLBACK').catch((error: unknown) => this.#markBroken(error));
  }

  /**
   * Returns the connection to the pool. Later statements are rejected, because another caller may use the connection
   * then.
   */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#client.removeListener('error', this.#onError);
    this.#client.release(this.#isBroken);
  }

  async #run<T>(query: QueryConfig): Promise<T[]> {
    const result: unknown = await this.#execute(query);
    const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: T[] };
    return last.rows;
  }

  async #execute(query: QueryConfig): Promise<QueryResult> {
    if (!this.#isOpen)
      throw new Error('A statement was started after the end of its transaction; await every statement');
    try {
      return await this.#client.query(query);
    } catch (error) {
      if (isConnectionLoss(error)) this.#isBroken = true;
      const fault = this.#translate(error);
      this.failure ??= fault;
      throw fault;
    }
  }

  #markBroken(error: unknown): void {
    this.#isBroken = true;
    this.failure ??= this.#translate(error);
  }
}
