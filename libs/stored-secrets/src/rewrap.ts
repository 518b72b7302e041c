import { type Database } from '@countersign/persistence';
import { DecryptionError, type Keyring } from '@countersign/crypto';
import { recordKeyEvent } from './key-event.js';
import { WRAPPED_COLUMNS, type WrappedColumn } from './wrapped-columns.js';

export interface RewrapOptions {
  readonly database: Database;
  /** Its first key encrypts; all decrypt. */
  readonly keyring: Keyring;
  readonly columns?: readonly WrappedColumn[];
  /** Rows per statement, 1 to 5,000. Default 500, which locks rows for some milliseconds. */
  readonly batch?: number;
  /** Called after every statement with the number of rows that it handled, broken ones included. */
  readonly onProgress?: (rows: number) => void;
}

/** The result of a run for one column. */
export interface RewrapResult {
  readonly column: string;
  readonly rewrapped: number;
  /** Rows that no key of the keyring decrypts, because they were altered or their key is missing. They are not changed. */
  readonly broken: number;
}

interface Row extends Record<string, unknown> {
  readonly key_id: string;
  readonly bytes: Buffer;
}

/**
 * Encrypts every row under the first key that another key encrypts. Needs no caller and no PIN. Verifications continue: a row
 * is replaced only if it still has the bytes that were decrypted, so a concurrent enrolment takes precedence. (No two
 * ciphertexts are equal, because each has a random nonce.) After an interruption the next run continues.
 * @returns one result for each column
 * @throws ServiceError DATABASE_UNAVAILABLE: run it again
 */
export async function rewrap(options: RewrapOptions): Promise<RewrapResult[]> {
  const results: RewrapResult[] = [];
  for (const column of options.columns ?? WRAPPED_COLUMNS) results.push(await rewrapColumn(column, options));
  if (results.some(({ rewrapped }) => rewrapped > 0)) await recordResults(options, results);
  return results;
}

/** The number of rows that {@link rewrap} would handle. */
export async function countToRewrap({ database, keyring, columns = WRAPPED_COLUMNS }: RewrapOptions): Promise<number> {
  const counts = columns.map((column) => `(SELECT count(*) FROM ${column.table} WHERE ${isOutdated(column)})`);
  const [row] = await database.query<{ rows: string }>(`SELECT ${counts.join(' + ')} AS rows`, [keyring.first]);
  return Number(row?.rows ?? 0);
}

/** As {@link rewrap} for one column, and records no event. @throws ServiceError DATABASE_UNAVAILABLE: run it again */
export async function rewrapColumn(
  column: WrappedColumn,
  options: Pick<RewrapOptions, 'keyring' | 'batch' | 'onProgress'> & { readonly database: Pick<Database, 'query'> },
): Promise<RewrapResult> {
  let rewrapped = 0;
  let broken: number;
  let overtaken: number;
  // Rows that changed during a pass may have been written under an old key, also behind the cursor. So another pass follows.
  do {
    const pass = await onePass(column, options);
    rewrapped += pass.rewrapped;
    ({ broken, overtaken } = pass);
  } while (overtaken > 0);
  return { column: column.name, rewrapped, broken };
}

/** Handles the table once, in the order of its primary key. */
async function onePass(
  column: WrappedColumn,
  { database, keyring, batch = 500, onProgress }: Parameters<typeof rewrapColumn>[1],
): Promise<{ rewrapped: number; broken: number; overtaken: number }> {
  const total = { rewrapped: 0, broken: 0, overtaken: 0 };
  const keys = Object.keys(column.primaryKey);
  let last: unknown[] | undefined;
  for (;;) {
    const rows: Row[] = await database.query<Row>(selectNext(column, batch, last === undefined), [
      keyring.first,
      ...(last ?? []),
    ]);
    if (rows.length === 0) return total;
    last = keys.map((key) => rows.at(-1)?.[key]);
    const replacements = rows.flatMap((row) => {
      const bytes = encryptAgain(keyring, column, row);
      return bytes === undefined ? [] : [{ row, bytes }];
    });
    const changed = await database.query(updateAll(column), [
      keyring.first,
      replacements.map(({ row }) => row.bytes),
      replacements.map(({ bytes }) => bytes),
      ...keys.map((key) => replacements.map(({ row }) => row[key])),
    ]);
    total.rewrapped += changed.length;
    total.broken += rows.length - replacements.length;
    total.overtaken += replacements.length - changed.length;
    onProgress?.(rows.length);
  }
}

/** Undefined for a row that cannot be decrypted. */
function encryptAgain(keyring: Keyring, column: WrappedColumn, row: Row): Buffer | undefined {
  const context = column.context(row);
  try {
    return keyring.wrap(keyring.unwrap({ keyId: row.key_id, bytes: row.bytes }, context), context).bytes;
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}

/** $1 the first key's id */
function isOutdated({ keyIdColumn }: WrappedColumn): string {
  return `${keyIdColumn} <> $1`;
}

/** $1 the first key's id, then the primary key of the previous row unless `isFirst` */
function selectNext(column: WrappedColumn, batch: number, isFirst: boolean): string {
  const keys = Object.entries(column.primaryKey);
  const names = keys.map(([name]) => name).join(', ');
  const before = keys.map(([, type], at) => `$${at + 2}::${type}`).join(', ');
  const bound = Object.entries(column.alsoBoundTo)
    .map(([name, expression]) => `, ${expression} AS ${name}`)
    .join('');
  return `
    SELECT ${names}${bound}, ${column.keyIdColumn} AS key_id, ${column.bytesColumn} AS bytes
    FROM ${column.table}
    WHERE ${isOutdated(column)} ${isFirst ? '' : `AND (${names}) > (${before})`}
    ORDER BY ${names} LIMIT ${batch}`;
}

/** $1 the first key's id, $2 the old bytes, $3 the new bytes, then the primary keys */
function updateAll(column: WrappedColumn): string {
  const keys = Object.entries(column.primaryKey);
  const names = ['old', 'new', ...keys.map(([name]) => name)].map((name) => `"${name}"`);
  const arrays = ['bytea', 'bytea', ...keys.map(([, type]) => type)].map((type, at) => `$${at + 2}::${type}[]`);
  return `
    UPDATE ${column.table} t SET ${column.keyIdColumn} = $1, ${column.bytesColumn} = r."new"
    FROM unnest(${arrays.join(', ')}) AS r(${names.join(', ')})
    WHERE ${keys.map(([name]) => `t.${name} = r."${name}"`).join(' AND ')} AND t.${column.bytesColumn} = r."old"
    RETURNING 1`;
}

async function recordResults({ database, keyring }: RewrapOptions, results: readonly RewrapResult[]): Promise<void> {
  await database.transaction(async (tx) => {
    await recordKeyEvent(tx, database, {
      key: keyring.first,
      ...Object.fromEntries(results.map(({ column, rewrapped }) => [column, rewrapped])),
      broken: results.reduce((sum, { broken }) => sum + broken, 0),
    });
  });
}
