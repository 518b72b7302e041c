import { AuditTrail, type TrailEntry } from '../src/trail/trail.ports.js';

/** The fake of {@link AuditTrail} for tests of use cases. */
export class FakeAuditTrail extends AuditTrail {
  readonly entries = new Map<string, TrailEntry>();

  override append(entry: TrailEntry): Promise<void> {
    if (!this.entries.has(entry.eventId)) this.entries.set(entry.eventId, entry);
    return Promise.resolve();
  }
}
