/** Statements on a pool of one connection: PostgreSQL counts the scans of other connections up to seconds later. */
interface OneConnection {
  query<T>(sql: string, params?: readonly unknown[]): Promise<T[]>;
}

/** How often each table of a schema was read from end to end, inside functions and by cached plans too. */
export async function tableScans(connection: OneConnection, schema: string): Promise<Record<string, number>> {
  await connection.query('SELECT pg_stat_force_next_flush()');
  const rows = await connection.query<{ name: string; scans: number }>(
    'SELECT relname AS name, seq_scan::int AS scans FROM pg_stat_user_tables WHERE schemaname = $1',
    [schema],
  );
  return Object.fromEntries(rows.map(({ name, scans }) => [name, scans]));
}
