import { type Sql } from '@countersign/persistence';
import { DecryptionError, type Keyring } from '@countersign/crypto';
import { WRAPPED_COLUMNS, type WrappedColumn } from './wrapped-columns.js';

/** Rows that are decrypted before a key counts as wrong; single rows can have been altered. */
const MAX_PROBES = 20;

/** The number of rows of a column that a key encrypts. */
export interface KeyUse {
  readonly column: string;
  readonly keyId: string;
  readonly rows: number;
}

/** Counts every row, which is too slow for a start. @throws ServiceError DATABASE_UNAVAILABLE */
export async function countKeyUse(sql: Sql, columns: readonly WrappedColumn[] = WRAPPED_COLUMNS): Promise<KeyUse[]> {
  const counts = columns.map(
    ({ name, table, keyIdColumn }) =>
      `SELECT '${name}' AS column, ${keyIdColumn} AS key_id, count(*)::int AS rows FROM ${table} GROUP BY 2`,
  );
  const rows = await sql.query<{ column: string; key_id: string; rows: number }>(
    `${counts.join(' UNION ALL ')} ORDER BY 1, 2`,
  );
  return rows.map(({ column, key_id: keyId, rows: n }) => ({ column, keyId, rows: n }));
}

/**
 * Why a keyring cannot decrypt the stored rows: it lacks a key that is in use, or holds other bytes under the id of one. Costs
 * one index look-up per key in use, independent of the number of rows.
 * @returns a rule about the setting that names the key id; undefined if there is no fault
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function keyFault(
  sql: Sql,
  keyring: Keyring,
  columns: readonly WrappedColumn[] = WRAPPED_COLUMNS,
): Promise<string | undefined> {
  const working = new Set<string>();
  const failing = new Set<string>();
  for (const column of columns) {
    for (const keyId of await idsInUse(sql, column)) {
      if (!keyring.has(keyId)) {
        return `must hold the key ${keyId}, which rows of ${column.table} need: restore it after the first one`;
      }
      ((await decryptsSome(sql, keyring, column, keyId)) ? working : failing).add(keyId);
    }
  }
  const wrong = [...failing].find((keyId) => !working.has(keyId));
  if (wrong === undefined) return undefined;
  return `must hold the key ${wrong} as it was: the key of this id decrypts none of its rows; restore it from the backup of your secrets`;
}

/** Jumps from one id to the next in the index, so the cost does not depend on the number of rows. */
async function idsInUse(sql: Sql, { table, keyIdColumn }: WrappedColumn): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `WITH RECURSIVE used AS (
       (SELECT ${keyIdColumn} AS id FROM ${table} ORDER BY 1 LIMIT 1)
       UNION ALL
       SELECT (SELECT t.${keyIdColumn} FROM ${table} t WHERE t.${keyIdColumn} > used.id ORDER BY 1 LIMIT 1)
       FROM used WHERE used.id IS NOT NULL
     ) SELECT id FROM used WHERE id IS NOT NULL`,
  );
  return rows.map(({ id }) => id);
}

async function decryptsSome(sql: Sql, keyring: Keyring, column: WrappedColumn, keyId: string): Promise<boolean> {
  const { table, primaryKey, keyIdColumn, bytesColumn, alsoBoundTo, context } = column;
  const bound = Object.entries(alsoBoundTo).map(([name, expression]) => `${expression} AS ${name}`);
  const names = [...Object.keys(primaryKey), ...bound].join(', ');
  const rows = await sql.query<Record<string, unknown> & { bytes: Buffer }>(
    `SELECT ${names}, ${bytesColumn} AS bytes FROM ${table} WHERE ${keyIdColumn} = $1 LIMIT ${MAX_PROBES}`,
    [keyId],
  );
  return rows.some((row) => decrypts(keyring, { keyId, bytes: row.bytes }, context(row)));
}

function decrypts(keyring: Keyring, wrapped: { keyId: string; bytes: Buffer }, context: string[]): boolean {
  try {
    keyring.unwrap(wrapped, context);
    return true;
  } catch (error) {
    if (error instanceof DecryptionError) return false;
    throw error;
  }
}
