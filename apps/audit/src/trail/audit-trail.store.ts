import { Injectable } from '@nestjs/common';
import { Batched, Database } from '@countersign/persistence';
import { AuditTrail, type TrailEntry } from './trail.ports.js';

/** Most facts of one INSERT statement. */
const MAX_BATCH_SIZE = 500;

/**
 * Facts in the inbox are inserted once. One that is in the log already is inserted again, and dropped by the sequencer: it
 * holds the lock, so only it can be sure.
 */
const INSERT = `
INSERT INTO audit.inbox (event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent,
  ocsf_version, variant, count)
SELECT event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, ocsf_version, variant, count
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::int[]) WITH ORDINALITY
  AS b(event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, ocsf_version, variant, count,
    position)
ORDER BY position
ON CONFLICT (event_id) DO NOTHING`;

/**
 * How long a fact waits for others to share its statement, in milliseconds. Facts arrive in bursts, and no caller waits
 * for a fact to be recorded.
 */
const BATCH_LINGER_MS = 20;

/** The trail in PostgreSQL. Inserts facts into the inbox of the log in batches, one statement at a time. */
@Injectable()
export class PostgresAuditTrail extends AuditTrail {
  readonly #append: Batched<TrailEntry, undefined>;

  /** @param onAppended receives the number of facts after each commit */
  constructor(
    private readonly database: Database,
    onAppended: (facts: number) => void = () => undefined,
  ) {
    super();
    this.#append = new Batched({
      size: MAX_BATCH_SIZE,
      concurrency: 1,
      rows: ({ eventId }) => [eventId],
      run: async (entries) => {
        await this.#insert(entries);
        onAppended(entries.length);
        return entries.map(() => undefined);
      },
      expectsMore: () => true,
      lingerMs: () => BATCH_LINGER_MS,
    });
  }

  override append(entry: TrailEntry): Promise<void> {
    return this.#append.call(entry);
  }

  async #insert(entries: readonly TrailEntry[]): Promise<void> {
    const database = this.database.forTenants(entries.map(({ tenant }) => tenant));
    await database.prepared('audit.inbox.insert', INSERT, [
      entries.map((entry) => entry.eventId),
      entries.map((entry) => entry.kind),
      entries.map((entry) => entry.tenant),
      entries.map((entry) => entry.subject ?? null),
      entries.map((entry) => entry.callId ?? null),
      entries.map((entry) => entry.time),
      entries.map((entry) => entry.value),
      entries.map((entry) => entry.partitionKey),
      entries.map((entry) => entry.traceparent ?? null),
      entries.map((entry) => entry.ocsfVersion),
      entries.map((entry) => entry.counted?.variant ?? null),
      entries.map((entry) => entry.counted?.count ?? null),
    ]);
  }
}
