/** A record to publish. */
export interface RelayedRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where a relay reads its records, in the order in which it sends them. */
export interface RelaySource {
  /** The statement that reads the next records. It runs under the lock of the relay. */
  readSql(limit: number): string;
  /**
   * The records of these rows, and the statement that marks them as sent.
   * @returns undefined when no record waits
   */
  take(rows: unknown[]): { readonly records: RelayedRecord[]; readonly doneSql: string } | undefined;
  /** The statement that returns the number `n` of waiting records, and the `age` of the oldest in seconds. */
  readonly backlogSql: string;
  /**
   * Whether the relay rests after a full batch as long as it has worked, so that a backlog leaves broker and consumers to live
   * requests. Default true.
   */
  readonly restsAfterFullBatch?: boolean;
  /** True: the table has row-level security. */
  readonly readsAllTenants?: boolean;
}

interface OutboxRow {
  readonly seq: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly payload: string;
}

/** The table `outbox` of a schema. Published rows are deleted. */
export function outboxSource(schema: string): RelaySource {
  return {
    readSql: (limit) => `SELECT seq, topic, key, headers, payload FROM ${schema}.outbox ORDER BY seq LIMIT ${limit}`,
    take: (taken) => {
      const rows = taken as OutboxRow[];
      if (rows.length === 0) return undefined;
      const sent = rows.map((row) => row.seq).join(',');
      return {
        records: rows.map(({ topic, key, headers, payload }) => {
          return { topic, key, value: Buffer.from(payload, 'utf8'), headers };
        }),
        doneSql: `DELETE FROM ${schema}.outbox WHERE seq = ANY ('{${sent}}'::bigint[])`,
      };
    },
    backlogSql: `SELECT (SELECT count(*) FROM (SELECT FROM ${schema}.outbox LIMIT 100000) o) AS n,
      (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
       FROM ${schema}.outbox ORDER BY seq LIMIT 1) AS age`,
  };
}
