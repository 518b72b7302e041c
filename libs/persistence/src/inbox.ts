import { type Database } from './database.js';
import { checkSchemaName } from './schema.js';
import { type Sql } from './session.js';

/** The statements that make the inbox of a schema; for its first migration. */
export function inboxTable(schema: string): string[] {
  return [
    `CREATE TABLE ${checkSchemaName(schema)}.inbox (
      consumer text NOT NULL,
      message_id text NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (consumer, message_id)
    )`,
    `CREATE INDEX inbox_seen_at ON ${schema}.inbox USING brin (seen_at)`,
  ];
}

/** Remembers which messages have had their effect, so that a message which comes twice has it once. */
export class Inbox {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * True for the first transaction that asks and commits. Must be the transaction of the effect. Of those that ask at
   * once, all but one wait for its end: false if it commits, and one of them is first if it rolls back.
   * @throws ServiceError as {@link Sql.query}
   */
  async claim(tx: Sql, consumer: string, messageId: string): Promise<boolean> {
    const schema = this.#database.schema;
    const rows = await tx.prepared(
      `${schema}.inbox.first`,
      `INSERT INTO ${schema}.inbox (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`,
      [consumer, messageId],
    );
    return rows.length === 1;
  }

  /**
   * Forgets what was seen longer ago than this, in seconds, and returns how many. Must exceed the time for which the
   * bus keeps a record: what is forgotten would have its effect again. At most 10,000 at a time, for short locks.
   */
  async purge(olderThanSeconds: number): Promise<number> {
    const rows = await this.#database.query(
      `DELETE FROM ${this.#database.schema}.inbox WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM ${this.#database.schema}.inbox
         WHERE seen_at < clock_timestamp() - make_interval(secs => $1) LIMIT 10000))
       RETURNING 1`,
      [olderThanSeconds],
    );
    return rows.length;
  }
}
