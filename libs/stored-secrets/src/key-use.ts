import { type Sql } from '@countersign/persistence';
import { DecryptionError, type Keyring } from '@countersign/crypto';
import { OWN_KEY_ID, WRAPPED_COLUMNS, type WrappedColumn } from './wrapped-columns.js';

/** Rows looked at before a key is said to be the wrong one: single rows can be broken for reasons of their own. */
const PROBES = 20;

/** How many rows of a column a key has wrapped. */
export interface KeyUse {
  readonly column: string;
  readonly keyId: string;
  readonly rows: number;
}

/** Counts every row; for people, not for the start. @throws ServiceError DATABASE_UNAVAILABLE */
export async function countKeyUse(sql: Sql, columns: readonly WrappedColumn[] = WRAPPED_COLUMNS): Promise<KeyUse[]> {
  const counts = columns.map(
    ({ name, table, keyIdColumn }) =>
      `SELECT '${name}' AS column, ${keyIdColumn} AS key_id, count(*)::int AS rows FROM ${table} WHERE ${keyIdColumn} <> '${OWN_KEY_ID}' GROUP BY 2`,
  );
  const rows = await sql.query<{ column: string; key_id: string; rows: number }>(
    `${counts.join(' UNION ALL ')} ORDER BY 1, 2`,
  );
  return rows.map(({ column, key_id: keyId, rows: n }) => ({ column, keyId, rows: n }));
}

/**
 * Says why a keyring does not open what is stored: it lacks a key that is in use, or holds other bytes under its id, which
 * some of the rows prove. Costs an index look-up for each key in use, however many rows there are.
 * @returns a sentence about the setting that names the key id; undefined when all is well
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function keyFault(
  sql: Sql,
  keyring: Keyring,
  columns: readonly WrappedColumn[] = WRAPPED_COLUMNS,
): Promise<string | undefined> {
  const opened = new Set<string>();
  const unopened = new Set<string>();
  for (const column of columns) {
    for (const keyId of await idsInUse(sql, column)) {
      if (!keyring.has(keyId)) {
        return `must hold the key ${keyId}, which rows of ${column.table} need: put it back, behind the first one`;
      }
      ((await opensSome(sql, keyring, column, keyId)) ? opened : unopened).add(keyId);
    }
  }
  const wrong = [...unopened].find((keyId) => !opened.has(keyId));
  if (wrong === undefined) return undefined;
  return `must hold the key ${wrong} as it was: what it holds under this id opens none of the rows that name it; restore it from the backup of your secrets`;
}

/** From one id to the next greater one in the index: the number of rows does not matter. */
async function idsInUse(sql: Sql, { table, keyIdColumn }: WrappedColumn): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `WITH RECURSIVE used AS (
       (SELECT ${keyIdColumn} AS id FROM ${table} ORDER BY 1 LIMIT 1)
       UNION ALL
       SELECT (SELECT t.${keyIdColumn} FROM ${table} t WHERE t.${keyIdColumn} > used.id ORDER BY 1 LIMIT 1)
       FROM used WHERE used.id IS NOT NULL
     ) SELECT id FROM used WHERE id IS NOT NULL`,
  );
  return rows.map(({ id }) => id).filter((id) => id !== OWN_KEY_ID);
}

async function opensSome(sql: Sql, keyring: Keyring, column: WrappedColumn, keyId: string): Promise<boolean> {
  const { table, primaryKey, keyIdColumn, bytesColumn, alsoBoundTo, context } = column;
  const bound = Object.entries(alsoBoundTo).map(([name, expression]) => `${expression} AS ${name}`);
  const names = [...Object.keys(primaryKey), ...bound].join(', ');
  const rows = await sql.query<Record<string, unknown> & { bytes: Buffer }>(
    `SELECT ${names}, ${bytesColumn} AS bytes FROM ${table} WHERE ${keyIdColumn} = $1 LIMIT ${PROBES}`,
    [keyId],
  );
  return rows.some((row) => opens(keyring, { keyId, bytes: row.bytes }, context(row)));
}

function opens(keyring: Keyring, wrapped: { keyId: string; bytes: Buffer }, context: string[]): boolean {
  try {
    keyring.unwrap(wrapped, context);
    return true;
  } catch (error) {
    if (error instanceof DecryptionError) return false;
    throw error;
  }
}
