import { type Database } from '../database.js';
import { purgeByIndex } from '../purge.js';
import { type Sql } from '../session.js';

/** Rows deleted by one purge, at most. */
const PURGE_BATCH = 10_000;

/** Records which messages have taken effect, so that a redelivery has no further effect. */
export class Inbox {
  readonly #database: Pick<Database, 'schema' | 'transaction'>;

  constructor(database: Pick<Database, 'schema' | 'transaction'>) {
    this.#database = database;
  }

  /**
   * Returns true for the first transaction that claims the message and commits. Must run in the transaction of the
   * effect. Concurrent claims wait for the first one: they return false when it commits, and one of them is first when
   * it rolls back.
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
   * Deletes entries older than this, in seconds. Must exceed the retention of the bus: a redelivery after the purge
   * would take effect again. Deletes at most 10,000 with each statement, for short locks.
   * @returns how many it deleted
   */
  purge(olderThanSeconds: number): Promise<number> {
    const { schema } = this.#database;
    const statement = `DELETE FROM ${schema}.inbox WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM ${schema}.inbox
         WHERE seen_at < statement_timestamp() - make_interval(secs => $1) LIMIT $2))
       RETURNING 1`;
    return purgeByIndex(this.#database, statement, [olderThanSeconds], PURGE_BATCH);
  }
}
