import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { auditTrailContract, trailEntry } from '../../test/audit-trail.contract.js';
import { TEST_ORIGIN } from '../../test/log-bed.js';
import { PostgresLogSequencer } from '../log/log-sequencer.store.js';
import { PostgresAuditTrail } from './audit-trail.store.js';

/** Reads and writes with the rights of the tables' owner; {@link service} has those of the service's role. */
let administrator: Database;
let service: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = { url: test.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'test' };
  service = await openDatabase(options);
  administrator = await openDatabase({ ...options, as: 'administrator' });
});

afterAll(async () => {
  await Promise.all([administrator.close(), service.close()]);
  await drop();
});

describe('the audit trail in PostgreSQL', () => {
  const trail = (): PostgresAuditTrail => new PostgresAuditTrail(new PostgresLogSequencer(service, TEST_ORIGIN));
  auditTrailContract(() => ({
    trail: trail(),
    stored: async () => {
      const rows = await administrator.query<{ event_id: string; value: Buffer }>(
        'SELECT event_id, value FROM audit.entries',
      );
      return new Map(rows.map((row) => [row.event_id, row.value]));
    },
  }));

  /** Appends an entry, runs the statement on it as the owner of the table, and returns the row afterwards. */
  const runOnEntry = async (statement: string): Promise<{ before: unknown; after: unknown; error: unknown }> => {
    const { eventId } = trailEntry();
    await trail().append(trailEntry({ eventId, subject: 'alice' }));
    const row = async (): Promise<unknown> =>
      (await administrator.query('SELECT * FROM audit.entries WHERE event_id = $1', [eventId]))[0];
    const before = await row();
    const error: unknown = await administrator.query(statement, statement.includes('$1') ? [eventId] : []).then(
      () => undefined,
      (fault: unknown) => fault,
    );
    return { before, after: await row(), error };
  };

  it.each(['DELETE FROM audit.entries WHERE event_id = $1', 'TRUNCATE audit.entries'])(
    'refuses %s, even for the owner of the table',
    async (statement) => {
      const { before, after, error } = await runOnEntry(statement);
      expect(error).toBeInstanceOf(Error);
      expect(after).toEqual(before);
    },
  );

  it.each([
    'event_id = gen_random_uuid()',
    "kind = 'agent.created'",
    "tenant = 'other'",
    "subject = 'mallory'",
    'subject = NULL',
    "call_id = 'call-2'",
    'call_id = NULL',
    "time = time + interval '1 microsecond'",
    "value = '\\x00'",
    "recorded_at = recorded_at + interval '1 microsecond'",
    'idx = idx + 1000',
    "partition_key = 'other:'",
    "traceparent = '00'",
    "ocsf_version = '1.1.0'",
  ])('refuses UPDATE … SET %s, even for the owner of the table', async (assignment) => {
    const { before, after, error } = await runOnEntry(`UPDATE audit.entries SET ${assignment} WHERE event_id = $1`);
    expect(error).toBeInstanceOf(Error);
    expect(after).toEqual(before);
  });

  it('names every column of the table in the tests of refused updates', async () => {
    const columns = await administrator.query<{ column_name: string }>(
      `SELECT column_name FROM information_schema.columns WHERE table_schema = 'audit' AND table_name = 'entries'
       ORDER BY 1`,
    );
    expect(columns.map((column) => column.column_name)).toEqual([
      ...[
        'call_id',
        'event_id',
        'idx',
        'kind',
        'ocsf_version',
        'partition_key',
        'recorded_at',
        'subject',
        'tenant',
        'time',
      ],
      ...['traceparent', 'value'],
    ]);
  });
});
