import { randomUUID } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { PostgresAuditTrail } from './audit-trail.store.js';
import { type TrailEntry } from './trail.ports.js';

/** Reads and writes with the rights of the tables' owner; {@link service} has those of the service's role. */
let administrator: Database;
let service: Database;
let drop: () => Promise<void>;
let trail: PostgresAuditTrail;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = {
    url: test.url,
    schema: 'audit',
    migrations: AUDIT_MIGRATIONS,
    applicationName: 'test',
  };
  service = await openDatabase(options);
  administrator = await openDatabase({ ...options, as: 'administrator' });
  trail = new PostgresAuditTrail(service);
});

afterAll(async () => {
  await Promise.all([administrator.close(), service.close()]);
  await drop();
});

const entry = (more: Partial<TrailEntry> = {}): TrailEntry => ({
  eventId: randomUUID(),
  kind: 'attempt.decided',
  tenant: 'acme',
  subject: undefined,
  callId: 'call-1',
  time: '2026-11-22T10:00:00.000Z',
  value: Buffer.from(randomUUID()),
  ...more,
});

describe('the audit trail', () => {
  it('stores the exact bytes of 300 simultaneous entries, each once although it is delivered twice', async () => {
    const entries = Array.from({ length: 300 }, () => entry());
    await Promise.all([...entries, ...entries].map((one) => trail.append(one)));
    const rows = await administrator.query<{ event_id: string; value: Buffer }>(
      'SELECT event_id, value FROM audit.entries',
    );
    expect(rows).toHaveLength(300);
    const stored = new Map(rows.map((row) => [row.event_id, row.value.toString()]));
    for (const one of entries) expect(stored.get(one.eventId)).toBe(one.value.toString());
  });

  it('returns the bytes of the first delivery when an event is delivered again', async () => {
    const first = entry();
    await trail.append(first);
    const returned = await trail.append({ ...first, value: Buffer.from('other bytes') });
    expect(returned.equals(first.value)).toBe(true);
  });

  it('refuses to change or delete an entry, even for the owner of the table', async () => {
    const one = entry();
    await trail.append(one);
    await expect(administrator.query('DELETE FROM audit.entries WHERE event_id = $1', [one.eventId])).rejects.toThrow();
    await expect(
      administrator.query('UPDATE audit.entries SET value = $2 WHERE event_id = $1', [one.eventId, Buffer.from('x')]),
    ).rejects.toThrow();
    const rows = await administrator.query('SELECT 1 FROM audit.entries WHERE event_id = $1', [one.eventId]);
    expect(rows).toHaveLength(1);
  });
});
