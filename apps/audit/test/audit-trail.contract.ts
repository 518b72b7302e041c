import { randomUUID } from 'node:crypto';
import { type AuditTrail, type TrailEntry } from '../src/trail/trail.ports.js';

/** An entry that no other test has used. */
export function trailEntry(more: Partial<TrailEntry> = {}): TrailEntry {
  return {
    eventId: randomUUID(),
    kind: 'attempt.decided',
    tenant: 'acme',
    subject: undefined,
    callId: 'call-1',
    time: '2026-11-22T10:00:00.000Z',
    value: Buffer.from(randomUUID()),
    partitionKey: 'acme:',
    ocsfVersion: '1.8.0',
    traceparent: undefined,
    counted: undefined,
    ...more,
  };
}

/** A trail, and the bytes that the log has of it, by event id. */
export interface AuditTrailBed {
  readonly trail: AuditTrail;
  /** Waits until every appended fact is in the log. */
  stored(): Promise<ReadonlyMap<string, Buffer>>;
}

/** The suite that every {@link AuditTrail} must pass. */
export function auditTrailContract(open: () => Promise<AuditTrailBed> | AuditTrailBed): void {
  let bed: AuditTrailBed;
  beforeAll(async () => {
    bed = await open();
  });

  it('stores the exact bytes of 300 simultaneous entries, each once although it is delivered twice', async () => {
    const tenants = ['acme', 'other', '_installation'];
    const entries = Array.from({ length: 300 }, (_, index) => trailEntry({ tenant: tenants[index % 3] as string }));
    const before = (await bed.stored()).size;
    await Promise.all([...entries, ...entries].map((entry) => bed.trail.append(entry)));
    const stored = await bed.stored();
    expect(stored.size - before).toBe(300);
    for (const { eventId, value } of entries) expect(stored.get(eventId)?.equals(value)).toBe(true);
  });

  it.each([
    ['before', false],
    ['after', true],
  ])('keeps the bytes of the first delivery when a fact is delivered again %s it is in the log', async (_, isInLog) => {
    const entry = trailEntry({ value: Buffer.from([0, 255, 10, 123]) });
    await bed.trail.append(entry);
    const before = isInLog ? (await bed.stored()).size : undefined;
    await bed.trail.append({ ...entry, value: Buffer.from('other bytes') });
    const stored = await bed.stored();
    expect(stored.get(entry.eventId)?.equals(entry.value)).toBe(true);
    if (before !== undefined) expect(stored.size).toBe(before);
  });

  it('stores an entry with a subject, and one without subject and call', async () => {
    const entries = [trailEntry({ subject: 'alice' }), trailEntry({ callId: undefined })];
    await Promise.all(entries.map((entry) => bed.trail.append(entry)));
    const stored = await bed.stored();
    for (const { eventId } of entries) expect(stored.has(eventId)).toBe(true);
  });
}
