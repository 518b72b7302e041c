import { type Database } from '@countersign/persistence';
import { AuditTrail, type TrailEntry } from '../ports.js';

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

interface Waiting {
  readonly entry: TrailEntry;
  readonly resolve: (value: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

/** The trail in PostgreSQL. Entries that arrive while a statement is under way share the next one. */
export class PostgresAuditTrail extends AuditTrail {
  #waiting: Waiting[] = [];
  #writing = false;

  constructor(private readonly database: Database) {
    super();
  }

  override append(entry: TrailEntry): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (!this.#writing) void this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      try {
        const stored = await this.#insert(batch.map(({ entry }) => entry));
        for (const { entry, resolve } of batch) resolve(stored.get(entry.eventId) ?? entry.value);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
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
