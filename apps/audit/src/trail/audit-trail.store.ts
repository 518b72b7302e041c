import { Batched, type Database } from '@countersign/persistence';
import { AuditTrail, type TrailEntry } from './trail.ports.js';

/** Entries of one statement, at most. */
const BATCH = 500;

/** Inserts what is new and tells the stored bytes of what is not. */
const APPEND = `
WITH arrived AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[])
    AS a(event_id, kind, tenant, subject, call_id, time, value)
), appended AS (
  INSERT INTO audit.entries (event_id, kind, tenant, subject, call_id, time, value)
  SELECT event_id, kind, tenant, subject, call_id, time, value FROM arrived
  ON CONFLICT (event_id) DO NOTHING
  RETURNING event_id
)
SELECT e.event_id, e.value FROM audit.entries e
WHERE e.event_id = ANY ($1) AND NOT EXISTS (SELECT FROM appended a WHERE a.event_id = e.event_id)`;

/** An entry waits so long for others of its moment, in milliseconds: facts come in clumps, and nobody waits for one. */
const GATHER_MS = 20;

/** The trail in PostgreSQL. Entries of one moment, and those that arrive while a statement is under way, share one. */
export class PostgresAuditTrail extends AuditTrail {
  readonly #append: Batched<TrailEntry, Buffer>;

  constructor(private readonly database: Database) {
    super();
    this.#append = new Batched({
      size: BATCH,
      concurrency: 1,
      rows: ({ eventId }) => [eventId],
      run: async (entries) => {
        const stored = await this.#insert(entries);
        return entries.map((entry) => stored.get(entry.eventId) ?? entry.value);
      },
      moreToCome: () => true,
      lingerMs: () => GATHER_MS,
    });
  }

  override append(entry: TrailEntry): Promise<Buffer> {
    return this.#append.call(entry);
  }

  async #insert(entries: readonly TrailEntry[]): Promise<Map<string, Buffer>> {
    const database = this.database.forTenants(entries.map(({ tenant }) => tenant));
    const rows = await database.prepared<{ event_id: string; value: Buffer }>('audit.append', APPEND, [
      entries.map((entry) => entry.eventId),
      entries.map((entry) => entry.kind),
      entries.map((entry) => entry.tenant),
      entries.map((entry) => entry.subject ?? null),
      entries.map((entry) => entry.callId ?? null),
      entries.map((entry) => entry.time),
      entries.map((entry) => entry.value),
    ]);
    return new Map(rows.map((row) => [row.event_id, row.value]));
  }
}
