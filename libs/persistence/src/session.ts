import { type PoolClient, type QueryConfig } from 'pg';
import { isConnectionLoss } from './database-errors.js';
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
   * The same, parsed and planned once per connection: for statements that run many times a second. One name stands for
   * one text, of at most 63 characters, for ever; it must not hold anything that varies.
   */
  prepared<T = unknown>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]>;
}

/** One connection, lent for the time of `Database.session`. */
export class Session implements Sql {
  readonly #client: PoolClient;
  readonly #translate: (error: unknown) => Error;
  readonly #tenants: WeakMap<PoolClient, string>;
  /** While a connection is lent the pool does not listen, and an unheard 'error' event ends the process. */
  readonly #onError = (error: Error): void => this.#break(error);
  #open = true;
  #broken = false;
  /** The first error of a statement since the start. */
  failure: Error | undefined;

  constructor(
    client: PoolClient,
    translate: (error: unknown) => Error,
    /** What each connection of the pool was told last. */
    tenants: WeakMap<PoolClient, string>,
  ) {
    this.#client = client;
    this.#tenants = tenants;
    this.#translate = translate;
    client.on('error', this.#onError);
  }

  query<T = unknown>(sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ text: sql, values: [...params] });
  }

  prepared<T = unknown>(name: string, sql: string, params: readonly unknown[] = []): Promise<T[]> {
    return this.#run<T>({ name, text: sql, values: [...params] });
  }

  /**
   * Says whose rows the statements to come may see, see `tenantRows`; outside of transactions only. A connection keeps it
   * until it is told otherwise, so that the round trip is spared where the tenants are those of the last time.
   */
  async forTenants(value: string): Promise<void> {
    if (this.#tenants.get(this.#client) === value) return;
    this.#tenants.delete(this.#client);
    await this.query('SELECT set_config($1, $2, false)', [TENANTS_SETTING, value]);
    this.#tenants.set(this.#client, value);
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
