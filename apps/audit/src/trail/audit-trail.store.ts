import { Injectable } from '@nestjs/common';
import { Batched, Database } from '@countersign/persistence';
import { AuditTrail, type TrailEntry } from './trail.ports.js';

/** Most entries of one INSERT statement. */
const MAX_BATCH_SIZE = 500;

/** One writer at a time, so indexes are gapless and in the order of commits. */
const LOCK = 'SELECT size FROM audit.log_state FOR UPDATE';

/** Inserts the new entries. Returns the stored bytes of those that exist already. */
const APPEND = `
WITH batch AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[], $8::text[], $9::text[])
    WITH ORDINALITY AS b(event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, position)
), stored AS (
  SELECT e.event_id, e.value FROM audit.entries e WHERE e.event_id = ANY ($1)
), inserted AS (
  INSERT INTO audit.entries (idx, event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, recorded_at)
  SELECT $10::bigint + row_number() OVER (ORDER BY position) - 1,
    event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, clock_timestamp()
  FROM batch b WHERE NOT EXISTS (SELECT FROM stored s WHERE s.event_id = b.event_id)
  RETURNING 1
), grown AS (
  UPDATE audit.log_state SET size = size + (SELECT count(*) FROM inserted) WHERE EXISTS (SELECT FROM inserted)
)
SELECT event_id, value FROM stored`;

/**
 * How long an entry waits for others to share its statement, in milliseconds. Facts arrive in bursts, and no caller waits
 * for a fact to be recorded.
 */
const BATCH_LINGER_MS = 20;

/** The trail in PostgreSQL. Inserts entries in batches, one statement at a time. */
@Injectable()
export class PostgresAuditTrail extends AuditTrail {
  readonly #append: Batched<TrailEntry, Buffer>;

  constructor(private readonly database: Database) {
    super();
    this.#append = new Batched({
      size: MAX_BATCH_SIZE,
      concurrency: 1,
      rows: ({ eventId }) => [eventId],
      run: async (entries) => {
        const stored = await this.#insert(entries);
        return entries.map((entry) => stored.get(entry.eventId) ?? entry.value);
      },
      expectsMore: () => true,
      lingerMs: () => BATCH_LINGER_MS,
    });
  }

  override append(entry: TrailEntry): Promise<Buffer> {
    return this.#append.call(entry);
  }

  async #insert(entries: readonly TrailEntry[]): Promise<Map<string, Buffer>> {
    const database = this.database.forTenants(entries.map(({ tenant }) => tenant));
    const rows = await database.transaction(async (tx) => {
      const [state] = await tx.query<{ size: string }>(LOCK);
      return tx.prepared<{ event_id: string; value: Buffer }>('audit.append', APPEND, [
        entries.map((entry) => entry.eventId),
        entries.map((entry) => entry.kind),
        entries.map((entry) => entry.tenant),
        entries.map((entry) => entry.subject ?? null),
        entries.map((entry) => entry.callId ?? null),
        entries.map((entry) => entry.time),
        entries.map((entry) => entry.value),
        entries.map((entry) => entry.partitionKey),
        entries.map((entry) => entry.traceparent ?? null),
        state?.size,
      ]);
    });
    return new Map(rows.map((row) => [row.event_id, row.value]));
  }
}
