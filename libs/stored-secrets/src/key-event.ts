import { encodeMessage, factRecorded, INSTALLATION } from '@countersign/contracts';
import { databaseTime, Outbox, type Database, type Sql } from '@countersign/persistence';

/**
 * Records the event `key.rotated` in the transaction of the change. verification publishes it.
 * @param detail what changed; never a key
 */
export async function recordKeyEvent(
  tx: Sql,
  database: Database,
  detail: Record<string, string | number | boolean>,
): Promise<void> {
  const fact = factRecorded('key.rotated', await databaseTime(tx), { tenant: INSTALLATION, detail });
  await new Outbox(database).add(tx, [encodeMessage(fact.factId, fact)]);
}
