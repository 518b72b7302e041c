import { randomUUID } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { Audit1764000000004 } from '../../migrations/1764000000004-audit.js';
import { AuditTenantRows1764000700004 } from '../../migrations/1764000700004-tenant-rows.js';
import { type TrailEntry } from './trail.ports.js';
import { PostgresAuditTrail } from './audit-trail.store.js';

/** Looks at the tables past the service, whose rights {@link service} has. */
let database: Database;
let service: Database;
let drop: () => Promise<void>;
let trail: PostgresAuditTrail;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = {
    url: test.url,
    schema: 'audit',
    migrations: [Audit1764000000004, AuditTenantRows1764000700004],
    applicationName: 'test',
  };
  service = await openDatabase(options);
  database = await openDatabase({ ...options, as: 'administrator' });
  trail = new PostgresAuditTrail(service);
});

afterAll(async () => {
  await Promise.all([database.close(), service.close()]);
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
  it('keeps the exact bytes of everything that arrives at once, each event once', async () => {
    const entries = Array.from({ length: 300 }, () => entry());
    await Promise.all([...entries, ...entries].map((one) => trail.append(one)));
    const rows = await database.query<{ event_id: string; value: Buffer }>('SELECT event_id, value FROM audit.entries');
    expect(rows).toHaveLength(300);
    const stored = new Map(rows.map((row) => [row.event_id, row.value.toString()]));
    for (const one of entries) expect(stored.get(one.eventId)).toBe(one.value.toString());
  });

  it('tells the bytes of the first time when an event comes again', async () => {
    const first = entry();
    await trail.append(first);
    const again = await trail.append({ ...first, value: Buffer.from('other bytes') });
    expect(again.equals(first.value)).toBe(true);
  });

  it('lets nobody change or remove an entry', async () => {
    const one = entry();
    await trail.append(one);
    await expect(database.query('DELETE FROM audit.entries WHERE event_id = $1', [one.eventId])).rejects.toThrow();
    await expect(
      database.query('UPDATE audit.entries SET value = $2 WHERE event_id = $1', [one.eventId, Buffer.from('x')]),
    ).rejects.toThrow();
    const rows = await database.query('SELECT 1 FROM audit.entries WHERE event_id = $1', [one.eventId]);
    expect(rows).toHaveLength(1);
  });
});
