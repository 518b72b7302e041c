import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { openDatabase, OutboxRelay, type Database } from '@countersign/persistence';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { NEEDS } from '../needs.js';
import { PostgresReadBackEntries } from '../completeness/read-back.store.js';
import { FIND_KEYS, FIND_OR_CREATE_KEYS } from '../personal-data/personal-data.sql.js';
import { EVENT_SOURCE } from './event-source.js';
import { PostgresLogSequencer } from './log-sequencer.store.js';

const STORED = 8_000;
/** PostgreSQL plans the first five executions for their parameters, and then decides whether one plan serves all. */
const EXECUTIONS = 8;
/** As many facts as share one batch under load. */
const BATCH = 24;
/** As large as an event, because the number of pages decides whether a scan is planned. */
const eventBytes = (): Buffer => randomBytes(1_000);

let bed: LogBed;
/** One connection, which keeps its plans. */
let service: Database;
beforeAll(async () => {
  bed = await openLogBed();
  service = await openDatabase({ url: bed.url, applicationName: 'test', ...NEEDS.store, poolSize: 1 });
});
afterAll(async () => {
  await service.close();
  await bed.close();
});

/** Adds facts to the log, publishes them, reads them back and looks for the keys of their subjects, as the service does. */
async function record(facts: number): Promise<void> {
  const entries = Array.from({ length: facts }, () => trailEntry({ subject: randomUUID(), value: eventBytes() }));
  await new PostgresLogSequencer(service, TEST_ORIGIN).sequence(facts, entries);
  const published: { index: number; sha256: Buffer }[] = [];
  const relay = new OutboxRelay({
    database: service,
    source: EVENT_SOURCE,
    send: (records) => {
      for (const { headers, value } of records)
        published.push({ index: Number(headers['ce_sequence']), sha256: createHash('sha256').update(value).digest() });
      return Promise.resolve();
    },
    onError: (error) => {
      throw error;
    },
  });
  relay.start();
  await relay.close();
  expect(published).toHaveLength(facts);
  const readBack = new PostgresReadBackEntries(service);
  await Promise.all(published.map((entry) => readBack.add(entry)));
  const [tenants, subjects] = [entries.map(() => 'acme'), entries.map(({ subject }) => subject)];
  const database = service.forTenants(['acme']);
  await database.prepared('audit.find_or_create_keys', FIND_OR_CREATE_KEYS, [
    ...[tenants, subjects, entries.map(({ time }) => time), subjects, subjects],
    subjects.map((subject) => Buffer.from(subject ?? '')),
  ]);
  expect(await database.prepared('audit.find_keys', FIND_KEYS, [tenants, subjects])).toHaveLength(facts);
}

/** How often each growing table was read from end to end. */
async function scans(): Promise<unknown[]> {
  await service.query('SELECT pg_stat_force_next_flush()');
  return bed.administrator.query(
    `SELECT relname, seq_scan FROM pg_stat_user_tables
     WHERE relname IN ('entries', 'subject_keys', 'tiles', 'tree_heads') ORDER BY 1`,
  );
}

it('the statements of an event scan no table that grows, with the plans of an empty log', async () => {
  // A connection keeps the plans that it made after the installation, until the tables are analyzed.
  for (let execution = 0; execution < EXECUTIONS; execution++) await record(BATCH);
  for (let batch = 0; batch < STORED / 1_000; batch++) await record(1_000);
  const before = await scans();
  await record(BATCH);
  expect(await scans()).toEqual(before);
  await service.forAllTenants().query('SELECT count(*) FROM audit.entries');
  expect(await scans()).not.toEqual(before);
});
