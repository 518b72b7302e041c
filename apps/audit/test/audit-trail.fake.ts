import { AuditTrail, type TrailEntry } from '../src/trail/trail.ports.js';

/** The fake of {@link AuditTrail} for tests of use cases. */
export class FakeAuditTrail extends AuditTrail {
  readonly entries = new Map<string, TrailEntry>();

  override append(entry: TrailEntry): Promise<Buffer> {
    const stored = this.entries.get(entry.eventId);
    if (!stored) this.entries.set(entry.eventId, entry);
    return Promise.resolve((stored ?? entry).value);
  }
}
