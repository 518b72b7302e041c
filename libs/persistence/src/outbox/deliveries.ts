import { type Database } from '../database.js';

interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Implements the interface `Deliveries` of the messaging library on PostgreSQL: finds records that crash the process.
 */
export class PostgresDeliveries {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Marks partitions as held by this holder. Deletes counts below `next` (finished) and from `end` on (of a recreated
   * topic).
   * @returns partitions that another holder had marked and not released
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
  open(
    holder: { readonly group: string; readonly id: string },
    partitions: readonly (Partition & { readonly next: number; readonly end: number })[],
  ): Promise<Partition[]> {
    const { schema } = this.#database;
    // All parts of one statement share a snapshot: `unreleased` sees the marks before `marked` writes.
    return this.#database.query<Partition>(
      `WITH opened AS (
         SELECT * FROM unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[]) AS o(topic, partition, next, "end")
       ), deleted_counts AS (
         DELETE FROM ${schema}.deliveries d USING opened o
         WHERE d.consumer_group = $1 AND (d.topic, d.partition) = (o.topic, o.partition)
           AND (d.record_offset < o.next OR d.record_offset >= o."end")
       ), unreleased AS (
         SELECT h.topic, h.partition FROM ${schema}.partition_holders h JOIN opened o USING (topic, partition)
         WHERE h.consumer_group = $1 AND h.holder <> $2::uuid
       ), marked AS (
         INSERT INTO ${schema}.partition_holders (consumer_group, topic, partition, holder)
         SELECT $1, topic, partition, $2::uuid FROM opened ORDER BY topic, partition
         ON CONFLICT (consumer_group, topic, partition)
         DO UPDATE SET holder = excluded.holder, opened_at = clock_timestamp()
       )
       SELECT topic, partition FROM unreleased`,
      [
        ...[holder.group, holder.id],
        ...[partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
        ...[partitions.map(({ next }) => next), partitions.map(({ end }) => end)],
      ],
    );
  }

  /**
   * Removes the holder's own marks.
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
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
   * Counts that handling a record begins; durable when it returns.
   * @returns how often it was begun and not finished, including this time
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
   * Deletes the count of a handled record; otherwise reduces it by one.
   * @throws ServiceError DATABASE_UNAVAILABLE (retriable)
   */
  async end(group: string, place: Partition & { readonly offset: number }, handled: boolean): Promise<void> {
    const { schema } = this.#database;
    const record = [group, place.topic, place.partition, place.offset];
    const condition = 'consumer_group = $1 AND topic = $2 AND partition = $3 AND record_offset = $4';
    await (handled
      ? this.#database.prepared(
          `${schema}.deliveries.end`,
          `DELETE FROM ${schema}.deliveries WHERE ${condition}`,
          record,
        )
      : this.#database.prepared(
          `${schema}.deliveries.decrement`,
          `UPDATE ${schema}.deliveries SET begun = greatest(begun - 1, 0) WHERE ${condition}`,
          record,
        ));
  }
}
