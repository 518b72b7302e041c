import { type TenantDatabase } from './database.js';

/**
 * Repeats a statement that deletes until it deletes fewer rows than one batch, each time in a transaction of its own, which reads
 * by an index: by old statistics PostgreSQL could take most rows for expired, and then scans the whole table for the last
 * batch. The condition must compare with `statement_timestamp()`, because `clock_timestamp()` cannot be compared by an index.
 * @param statement returns a row for each one that it deletes; its last parameter is the maximum number of them
 * @returns how many rows it deleted
 * @throws ServiceError as {@link Sql.query}; earlier batches stay deleted
 */
export async function purgeByIndex(
  database: Pick<TenantDatabase, 'transaction'>,
  statement: string,
  params: readonly unknown[],
  batch: number,
): Promise<number> {
  let total = 0;
  for (let deleted = batch; deleted === batch; total += deleted) {
    deleted = await database.transaction(async (tx) => {
      await tx.query('SET LOCAL enable_seqscan = off');
      return (await tx.query(statement, [...params, batch])).length;
    });
  }
  return total;
}

/** Pages of one statement of {@link purgeByPages}: a few thousand rows. */
const PAGES = 64;

/**
 * Runs a statement that deletes over all pages of a table, some at a time and each page once: for a table that has no index for
 * the condition, because each change of a row would have to change it. The number of rows that one statement locks is bounded.
 * A row that moves to another page is deleted by the next run.
 * @param statement returns a row for each one that it deletes. $1 and $2: the first ctid of its pages, and the first one after
 * them; then `params`
 * @returns how many rows it deleted
 * @throws ServiceError as {@link Sql.query}; earlier batches stay deleted
 */
export async function purgeByPages(
  database: Pick<TenantDatabase, 'query'>,
  table: string,
  statement: string,
  params: readonly unknown[] = [],
): Promise<number> {
  const pages = await tablePages(database, table);
  let total = 0;
  for (let page = 0; page < pages; page += PAGES)
    total += (await database.query(statement, [`(${page},0)`, `(${page + PAGES},0)`, ...params])).length;
  return total;
}

/** The number of pages of a table. @throws ServiceError as {@link Sql.query} */
export async function tablePages(database: Pick<TenantDatabase, 'query'>, table: string): Promise<number> {
  const [size] = await database.query<{ pages: number }>(
    `SELECT (pg_relation_size($1::regclass) / current_setting('block_size')::int)::float8 AS pages`,
    [table],
  );
  return size?.pages ?? 0;
}
