/** SQL statements that create the tables which services have in common, as their migrations do, for schemas of tests. */

/** The table of `Outbox` and `OutboxRelay`. */
export function outboxTable(schema: string): string[] {
  return [
    `CREATE TABLE ${schema}.outbox (
      seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id uuid NOT NULL,
      topic text NOT NULL,
      key text NOT NULL,
      headers jsonb NOT NULL DEFAULT '{}',
      payload text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    ) WITH (
      autovacuum_vacuum_scale_factor = 0,
      autovacuum_vacuum_threshold = 2000,
      autovacuum_vacuum_insert_scale_factor = 0,
      autovacuum_vacuum_insert_threshold = 20000
    )`,
  ];
}

/** The table of `Inbox`. */
export function inboxTable(schema: string): string[] {
  return [
    `CREATE TABLE ${schema}.inbox (
      consumer text NOT NULL,
      message_id text NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (consumer, message_id)
    )`,
    `CREATE INDEX inbox_seen_at ON ${schema}.inbox USING brin (seen_at)`,
  ];
}

/** The tables of `PostgresDeliveries`. */
export function deliveryTables(schema: string): string[] {
  return [
    `CREATE TABLE ${schema}.partition_holders (
      consumer_group text NOT NULL,
      topic text NOT NULL,
      partition integer NOT NULL,
      holder uuid NOT NULL,
      opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (consumer_group, topic, partition)
    )`,
    `CREATE TABLE ${schema}.deliveries (
      consumer_group text NOT NULL,
      topic text NOT NULL,
      partition integer NOT NULL,
      record_offset bigint NOT NULL,
      begun integer NOT NULL,
      begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (consumer_group, topic, partition, record_offset)
    )`,
  ];
}

/** Row-level security by tenant. Each table needs a column `tenant`. */
export function tenantRows(schema: string, tables: readonly string[]): string[] {
  return tables.flatMap((table) => [
    `ALTER TABLE ${schema}.${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    `CREATE POLICY tenant_rows ON ${schema}.${table} USING (
      tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\\001F'))
      OR current_setting('countersign.tenants', true) = '*'
    )`,
  ]);
}
