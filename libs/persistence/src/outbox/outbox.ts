import { type Database } from '../database.js';
import { type Sql } from '../session.js';

/** A record that is written in the transaction of its fact, and published after the commit. */
export interface OutboxMessage {
  /** UUID; stays the same when the record is sent again. */
  readonly id: string;
  readonly topic: string;
  /** Records of one key are sent in the order in which their transactions committed. */
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The record's value, UTF-8. */
  readonly value: string;
}

/**
 * Writes to the outbox in the caller's transaction. Code that holds a row lock for the key may insert by its own SQL
 * instead; the advisory lock here gives the same order without a row lock.
 */
export class Outbox {
  readonly #name: string;
  readonly #insert: string;

  constructor(database: Pick<Database, 'schema'>) {
    this.#name = `${database.schema}.outbox.add`;
    // Takes the locks before the numbers: the join with `locked` returns no row before all locks are held. The lock of
    // a key lasts until the commit, so a higher number of that key is assigned only after the lower one is visible.
    // Sorted, so that transactions with the same keys cannot deadlock.
    this.#insert = `
      WITH message AS MATERIALIZED (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[])
          WITH ORDINALITY AS m(id, topic, key, headers, payload, position)
      ), locked AS MATERIALIZED (
        SELECT pg_advisory_xact_lock(hash)
        FROM (SELECT DISTINCT hashtextextended('outbox:${database.schema}:' || key, 0) AS hash FROM message ORDER BY 1) k
      )
      INSERT INTO ${database.schema}.outbox (id, topic, key, headers, payload)
      SELECT id, topic, key, headers, payload
      FROM message, (SELECT count(*) AS keys FROM locked) l
      WHERE l.keys > 0
      ORDER BY position`;
  }

  /**
   * Adds messages in this order. The relay sees them after the commit; wake it then. At most a few hundred at once.
   * Several calls with different keys in one transaction can deadlock, which is retriable.
   * @throws ServiceError as {@link Sql.query}
   */
  async add(tx: Sql, messages: readonly OutboxMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await tx.prepared(this.#name, this.#insert, [
      messages.map((message) => message.id),
      messages.map((message) => message.topic),
      messages.map((message) => message.key),
      messages.map((message) => JSON.stringify(message.headers)),
      messages.map((message) => message.value),
    ]);
  }
}
