import { type Database } from '@countersign/persistence';
import { DecryptionError, type Keyring } from '@countersign/crypto';
import { recordKeyEvent } from './key-event.js';
import { OWN_KEY_ID, WRAPPED_COLUMNS, type WrappedColumn } from './wrapped-columns.js';

export interface RewrapOptions {
  readonly database: Database;
  /** Its first key wraps, the others open what is there. */
  readonly keyring: Keyring;
  readonly columns?: readonly WrappedColumn[];
  /** Rows of one statement, 1 to 5,000. Default 500: its locks last some milliseconds. */
  readonly batch?: number;
  /** Told after every statement: how many rows are done, or found broken, since the last time. */
  readonly onProgress?: (rows: number) => void;
}

/** What a run did to one column. */
export interface RewrapResult {
  readonly column: string;
  readonly rewrapped: number;
  /** Rows that no key of the ring opens: they were tampered with, or their key is gone. They stay as they are. */
  readonly broken: number;
}

interface Row extends Record<string, unknown> {
  readonly key_id: string;
  readonly bytes: Buffer;
}

/**
 * Wraps every row anew that another key than the first has wrapped. Needs no caller and no PIN. Verifications go on:
 * a row is replaced only if it still holds the very bytes that were opened (no two wraps have the same bytes, for each has
 * a random nonce), so an enrolment of the meantime wins. Stopped at any point, the next run goes on with what is left.
 * @returns one result for each column
 * @throws ServiceError DATABASE_UNAVAILABLE: run it again
 */
export async function rewrap(options: RewrapOptions): Promise<RewrapResult[]> {
  const results: RewrapResult[] = [];
  for (const column of options.columns ?? WRAPPED_COLUMNS) results.push(await rewrapColumn(column, options));
  if (results.some(({ rewrapped }) => rewrapped > 0)) await recordResults(options, results);
  return results;
}

/** Rows that wait for {@link rewrap}. */
export async function countToRewrap({ database, keyring, columns = WRAPPED_COLUMNS }: RewrapOptions): Promise<number> {
  const counts = columns.map((column) => `(SELECT count(*) FROM ${column.table} WHERE ${isOutdated(column)})`);
  const [row] = await database.query<{ rows: string }>(`SELECT ${counts.join(' + ')} AS rows`, [keyring.first]);
  return Number(row?.rows ?? 0);
}

async function rewrapColumn(column: WrappedColumn, options: RewrapOptions): Promise<RewrapResult> {
  let rewrapped = 0;
  let broken: number;
  let overtaken: number;
  // A service that runs with an older keyring may have written behind the cursor: a pass that moved something is not
  // the last one.
  do {
    const pass = await onePass(column, options);
    rewrapped += pass.rewrapped;
    ({ broken, overtaken } = pass);
  } while (overtaken > 0);
  return { column: column.name, rewrapped, broken };
}

/** Through the table in the order of its primary key. */
async function onePass(
  column: WrappedColumn,
  { database, keyring, batch = 500, onProgress }: RewrapOptions,
): Promise<{ rewrapped: number; broken: number; overtaken: number }> {
  const total = { rewrapped: 0, broken: 0, overtaken: 0 };
  const keys = Object.keys(column.primaryKey);
  let last: unknown[] | undefined;
  for (;;) {
    const rows: Row[] = await database.query<Row>(selectNext(column, batch, last !== undefined), [
      keyring.first,
      ...(last ?? []),
    ]);
    if (rows.length === 0) return total;
    last = keys.map((key) => rows.at(-1)?.[key]);
    const anew = rows.flatMap((row) => {
      const bytes = wrapAnew(keyring, column, row);
      return bytes === undefined ? [] : [{ row, bytes }];
    });
    const changed = await database.query(updateAll(column), [
      keyring.first,
      anew.map(({ row }) => row.bytes),
      anew.map(({ bytes }) => bytes),
      ...keys.map((key) => anew.map(({ row }) => row[key])),
    ]);
    total.rewrapped += changed.length;
    total.broken += rows.length - anew.length;
    total.overtaken += anew.length - changed.length;
    onProgress?.(rows.length);
  }
}

/** Undefined for a row that does not open. */
function wrapAnew(keyring: Keyring, column: WrappedColumn, row: Row): Buffer | undefined {
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
  return `${keyIdColumn} NOT IN ($1, '${OWN_KEY_ID}')`;
}

/** $1 the first key's id, then the primary key of the row before */
function selectNext(column: WrappedColumn, batch: number, further: boolean): string {
  const keys = Object.entries(column.primaryKey);
  const names = keys.map(([name]) => name).join(', ');
  const before = keys.map(([, type], at) => `$${at + 2}::${type}`).join(', ');
  const bound = Object.entries(column.alsoBoundTo)
    .map(([name, expression]) => `, ${expression} AS ${name}`)
    .join('');
  return `
    SELECT ${names}${bound}, ${column.keyIdColumn} AS key_id, ${column.bytesColumn} AS bytes
    FROM ${column.table}
    WHERE ${isOutdated(column)} ${further ? `AND (${names}) > (${before})` : ''}
    ORDER BY ${names} LIMIT ${batch}`;
}

/** $1 the first key's id, $2 the bytes that were opened, $3 those to put in their place, then the primary keys */
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
