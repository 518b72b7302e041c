import { encodeMessage, message, FactRecorded } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Outbox, type Database } from '@countersign/persistence';
import { ReceiptStore, type PresentedReceipt } from '../ports.js';

/**
 * The subject must be the one of then, and the time not over. A receipt counts whole seconds, so its subject may be up to
 * one younger. $1 tenant, $2 subject, $3 issued at, $4 expires at
 */
const HOLDS = `to_timestamp($4::float8) > clock_timestamp() AND EXISTS (
  SELECT 1 FROM verification.subjects s
  WHERE s.tenant = $1 AND s.subject_id = $2 AND s.created_at < to_timestamp($3::float8 + 1))`;

/** Spent receipts in PostgreSQL. */
export class PostgresReceiptStore extends ReceiptStore {
  readonly #outbox: Outbox;

  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
    this.#outbox = new Outbox(database);
  }

  override async isGood({ tenant, subject, jti, issuedAt, expiresAt }: PresentedReceipt): Promise<boolean> {
    const [row] = await this.database.forTenants([tenant]).prepared<{ good: boolean }>(
      'verification.receipt',
      `SELECT ${HOLDS} AND NOT EXISTS (
         SELECT 1 FROM verification.receipts_consumed c WHERE c.tenant = $1 AND c.jti = $5::uuid) AS good`,
      [tenant, subject, issuedAt, expiresAt, jti],
    );
    return row?.good === true;
  }

  override async consume(commandId: string, receipt: PresentedReceipt, fact: FactRecorded): Promise<boolean> {
    const { tenant, subject, jti, issuedAt, expiresAt } = receipt;
    const database = this.database.forTenants([tenant]);
    const first = await database.transaction(async (tx) => {
      // The primary key is the rule: of those who try at once, all but one find the row.
      const [row] = await tx.prepared<{ now: Date }>(
        'verification.receipt.consume',
        `INSERT INTO verification.receipts_consumed (tenant, jti, command_id, expires_at)
         SELECT $1, $5::uuid, $6, to_timestamp($4::float8) WHERE ${HOLDS}
         ON CONFLICT (tenant, jti) DO NOTHING RETURNING clock_timestamp() AS now`,
        [tenant, subject, issuedAt, expiresAt, jti, commandId],
      );
      if (!row) return false;
      const timed = message(FactRecorded, { ...fact, time: row.now.toISOString() });
      await this.#outbox.add(tx, [encodeMessage(timed.factId, timed, traceHeaders())]);
      return true;
    });
    if (first) {
      this.wakeRelay();
      return true;
    }
    const again = await database.query(
      'SELECT 1 FROM verification.receipts_consumed WHERE tenant = $1 AND jti = $2::uuid AND command_id = $3',
      [tenant, jti, commandId],
    );
    return again.length > 0;
  }

  /** Removes what could not pass any more anyway, at most 10,000, for short locks. @returns how many */
  async forget(): Promise<number> {
    const rows = await this.database.forAllTenants().query(
      `DELETE FROM verification.receipts_consumed WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM verification.receipts_consumed
         WHERE expires_at < clock_timestamp() - interval '10 minutes' LIMIT 10000))
       RETURNING 1`,
    );
    return rows.length;
  }
}
