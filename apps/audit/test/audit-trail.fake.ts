import { AuditTrail, type TrailEntry } from '../src/trail/trail.ports.js';

/** The twin of the PostgreSQL trail for tests of use cases. */
export class FakeAuditTrail extends AuditTrail {
  readonly entries = new Map<string, TrailEntry>();

  override append(entry: TrailEntry): Promise<Buffer> {
    const known = this.entries.get(entry.eventId);
    if (!known) this.entries.set(entry.eventId, entry);
    return Promise.resolve((known ?? entry).value);
  }
}
