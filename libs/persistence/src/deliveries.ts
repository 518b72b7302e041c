import { type Database } from './database.js';
import { checkSchemaName } from './schema.js';

/** The statements that make the tables of {@link PostgresDeliveries}; for a migration of each service that consumes. */
export function deliveryTables(schema: string): string[] {
  return [
    `CREATE TABLE ${checkSchemaName(schema)}.partition_holders (
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

interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What has to outlive a process so that a record which ends it is found, in PostgreSQL: what the interface `Deliveries`
 * of the messaging library promises.
 */
export class PostgresDeliveries {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Marks partitions as held by this holder. Forgets counts below `next` (finished) and from `end` on (of a topic that was
   * made anew).
   * @returns those that another holder had marked and not released
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
  open(
    holder: { readonly group: string; readonly id: string },
    partitions: readonly (Partition & { readonly next: number; readonly end: number })[],
  ): Promise<Partition[]> {
    const { schema } = this.#database;
    // One statement sees one moment: `before` are the marks as they were, whatever `held` writes.
    return this.#database.query<Partition>(
      `WITH wanted AS (
         SELECT * FROM unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[]) AS w(topic, partition, next, "end")
       ), forgotten AS (
         DELETE FROM ${schema}.deliveries d USING wanted w
         WHERE d.consumer_group = $1 AND (d.topic, d.partition) = (w.topic, w.partition)
           AND (d.record_offset < w.next OR d.record_offset >= w."end")
       ), before AS (
         SELECT h.topic, h.partition FROM ${schema}.partition_holders h JOIN wanted w USING (topic, partition)
         WHERE h.consumer_group = $1 AND h.holder <> $2::uuid
       ), held AS (
         INSERT INTO ${schema}.partition_holders (consumer_group, topic, partition, holder)
         SELECT $1, topic, partition, $2::uuid FROM wanted ORDER BY topic, partition
         ON CONFLICT (consumer_group, topic, partition)
         DO UPDATE SET holder = excluded.holder, opened_at = clock_timestamp()
       )
       SELECT topic, partition FROM before`,
      [
        ...[holder.group, holder.id],
        ...[partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
        ...[partitions.map(({ next }) => next), partitions.map(({ end }) => end)],
      ],
    );
  }

  /** Takes the holder's own marks away. @throws ServiceError DATABASE_UNAVAILABLE (retriable) */
  async release(
    holder: { readonly group: string; readonly id: string },
    partitions: readonly Partition[],
  ): Promise<void> {
    await this.#database.query(
      `DELETE FROM ${this.#database.schema}.partition_holders h
       USING unnest($3::text[], $4::int[]) AS r(topic, partition)
       WHERE h.consumer_group = $1 AND h.holder = $2::uuid AND (h.topic, h.partition) = (r.topic, r.partition)`,
      [holder.group, holder.id, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
    );
  }

  /**
   * Counts that a record is begun; durable when it returns.
   * @returns how often it was begun and not ended, this time included
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
  async begin(group: string, place: Partition & { readonly offset: number }): Promise<number> {
    const { schema } = this.#database;
    const rows = await this.#database.prepared<{ begun: number }>(
      `${schema}.deliveries.begin`,
      `INSERT INTO ${schema}.deliveries AS d (consumer_group, topic, partition, record_offset, begun)
       VALUES ($1, $2, $3, $4, 1)
       ON CONFLICT (consumer_group, topic, partition, record_offset)
       DO UPDATE SET begun = d.begun + 1, begun_at = clock_timestamp()
       RETURNING begun`,
      [group, place.topic, place.partition, place.offset],
    );
    return rows[0]?.begun ?? 1;
  }

  /**
   * Forgets a record that was handled; takes one count back of one that was not.
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
  async end(group: string, place: Partition & { readonly offset: number }, handled: boolean): Promise<void> {
    const { schema } = this.#database;
    const record = [group, place.topic, place.partition, place.offset];
    const where = 'consumer_group = $1 AND topic = $2 AND partition = $3 AND record_offset = $4';
    await (handled
      ? this.#database.prepared(`${schema}.deliveries.end`, `DELETE FROM ${schema}.deliveries WHERE ${where}`, record)
      : this.#database.prepared(
          `${schema}.deliveries.take_back`,
          `UPDATE ${schema}.deliveries SET begun = greatest(begun - 1, 0) WHERE ${where}`,
          record,
        ));
  }
}
