import { Migration, outboxTable } from '@countersign/persistence';

/** What was let through, by keyed hash of the caller. */
export class RateLimit1764000000002 extends Migration {
  override readonly statements = [
    // `hits` and `commands` are two columns of one list. fillfactor leaves room to update a row in its page.
    `CREATE TABLE rate_limit.windows (
      key text PRIMARY KEY,
      hits timestamptz[] NOT NULL,
      commands text[] NOT NULL,
      admitted boolean NOT NULL,
      retry_at timestamptz,
      touched_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)`,
    ...outboxTable('rate_limit'),
  ];
}
