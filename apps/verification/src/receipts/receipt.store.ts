import { encodeMessage, type FactRecorded } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Outbox, purgeByIndex, type Database } from '@countersign/persistence';
import { ReceiptStore } from './receipts.ports.js';
import { type PresentedReceipt } from './presented-receipt.decision.js';

const IS_CONSUMED = `
SELECT 1
FROM verification.consumed_receipts
WHERE tenant = $1 AND jti = $2::uuid`;

/** $1 tenant, $2 receipt, $3 command, $4 end in seconds since 1970. No row: the receipt is consumed already. */
const CONSUME = `
INSERT INTO verification.consumed_receipts (tenant, jti, command_id, expires_at)
VALUES ($1, $2::uuid, $3, to_timestamp($4::float8))
ON CONFLICT (tenant, jti) DO NOTHING
RETURNING clock_timestamp() AS now`;

/** Receipts are accepted for some seconds after their end, because clocks differ. $1 rows */
const PURGE = `
DELETE FROM verification.consumed_receipts
WHERE ctid = ANY (ARRAY(
  SELECT ctid
  FROM verification.consumed_receipts
  WHERE expires_at < statement_timestamp() - interval '10 minutes'
  ORDER BY expires_at
  LIMIT $1
))
RETURNING 1`;
const PURGE_BATCH = 10_000;

/** Consumed receipts in PostgreSQL. */
export class PostgresReceiptStore extends ReceiptStore {
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
    this.#outbox = new Outbox(database);
  }

  override async isSpent({ tenant, jti }: PresentedReceipt): Promise<boolean> {
    const rows = await this.database.forTenants([tenant]).prepared('verification.receipt', IS_CONSUMED, [tenant, jti]);
    return rows.length > 0;
  }

  override async consume(
    commandId: string,
    receipt: PresentedReceipt,
    factAt: (time: Date) => FactRecorded,
  ): Promise<boolean> {
    const { tenant, jti, expiresAt } = receipt;
    const database = this.database.forTenants([tenant]);
    const first = await database.transaction(async (tx) => {
      // The primary key lets exactly one of several concurrent commands insert the row.
      const [row] = await tx.prepared<{ now: Date }>('verification.receipt.consume', CONSUME, [
        tenant,
        jti,
        commandId,
        expiresAt,
      ]);
      if (!row) return false;
      const fact = factAt(row.now);
      await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
      return true;
    });
    if (first) {
      this.wakeRelay();
      return true;
    }
    const again = await database.query(`${IS_CONSUMED} AND command_id = $3`, [tenant, jti, commandId]);
    return again.length > 0;
  }

  /** Removes expired receipts, at most 10,000 for short locks. @returns the number of removed rows */
  purge(): Promise<number> {
    return purgeByIndex(this.database.forAllTenants(), PURGE, [], PURGE_BATCH);
  }
}
