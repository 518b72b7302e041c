import { Client } from 'pg';
import { table } from './report.js';

/** Counts of one table since its creation. */
interface TableUse {
  readonly name: string;
  readonly scans: number;
  readonly inserted: number;
  readonly updated: number;
  /** Updates that changed no index. */
  readonly inPlace: number;
  readonly deleted: number;
  /** Pages that were not in the buffers of PostgreSQL, of the table and its indexes. */
  readonly pagesRead: number;
}

interface IndexUse {
  readonly name: string;
  readonly ofTable: string;
  readonly reads: number;
  readonly isUnique: boolean;
}

/** How the tables of a database were used. */
export interface DatabaseUse {
  readonly tables: readonly TableUse[];
  readonly indexes: readonly IndexUse[];
}

/** Reads the statistics of PostgreSQL, which are as old as a second. */
export async function readTableUse(url: string): Promise<DatabaseUse> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<TableUse>(
      `SELECT schemaname || '.' || relname AS name, seq_scan::float8 AS scans, n_tup_ins::float8 AS inserted,
        n_tup_upd::float8 AS updated, n_tup_hot_upd::float8 AS "inPlace", n_tup_del::float8 AS deleted,
        (heap_blks_read + COALESCE(idx_blks_read, 0) + COALESCE(toast_blks_read, 0))::float8 AS "pagesRead"
      FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid, schemaname, relname) ORDER BY 1`,
    );
    const { rows: indexes } = await client.query<IndexUse>(
      `SELECT indexrelname AS name, schemaname || '.' || relname AS "ofTable", idx_scan::float8 AS reads,
        indisunique AS "isUnique"
      FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid) ORDER BY 2, 1`,
    );
    return { tables, indexes };
  } finally {
    await client.end();
  }
}

/** The part of the report about tables that changed or were read from end to end, for one of `count` verifications. */
export function tableUseReport(before: DatabaseUse, after: DatabaseUse, count: number): string {
  const lines = after.tables.flatMap((now) => {
    const was = before.tables.find(({ name }) => name === now.name);
    const each = (key: Exclude<keyof TableUse, 'name'>): number => (now[key] - (was?.[key] ?? 0)) / count;
    const numbers = (['inserted', 'updated', 'inPlace', 'deleted', 'scans', 'pagesRead'] as const).map(each);
    return Math.max(...numbers) < 0.05 ? [] : [[now.name, ...numbers.map((number) => number.toFixed(2))]];
  });
  const written = lines.map(([name]) => name);
  const unread = after.indexes.filter(({ name, ofTable, reads, isUnique }) => {
    const was = before.indexes.find((index) => index.name === name && index.ofTable === ofTable);
    return !isUnique && written.includes(ofTable) && reads === (was?.reads ?? 0);
  });
  return [
    table(['table', 'inserted', 'updated', 'of these in place', 'deleted', 'scans', 'pages read'], lines),
    `indexes that no verification read: ${unread.map(({ name, ofTable }) => `${ofTable} ${name}`).join(', ')}`,
  ].join('\n');
}
