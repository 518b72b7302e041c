import { createHash } from 'node:crypto';
import { openDatabase } from '@countersign/persistence';
import { Client } from 'pg';
import { AUDIT_MIGRATIONS } from '../apps/audit/migrations/index.js';
import { PostgresLogSequencer } from '../apps/audit/src/log/log-sequencer.store.js';
import { RATE_LIMIT_MIGRATIONS } from '../apps/rate-limit/migrations/index.js';
import { VERIFICATION_MIGRATIONS } from '../apps/verification/migrations/index.js';
import { say } from './report.js';
import { storeSubjects, type StoredCallers } from './stored-subjects.js';

/** Rows of one statement. */
const SLICE = 50_000;
/** Attempts of a subject are as old as this at most. */
const DAYS = 30;
const EVENT_BYTES = 900;
const TENANT = 'bench';
const PIN = '83729164';

/** The tables before a service has started. */
export interface StoredHistory {
  readonly databaseUrl: string;
  /** CREDENTIAL_KEYS of the installation. */
  readonly ring: string;
  /** Name of the log: LOG_ORIGIN of the installation. */
  readonly origin: string;
  /** Subjects, and for each of them a counter, an attempt, a command, counters of the limiter and an event. */
  readonly rows: number;
  /** Subjects that can be verified without a hash, evenly among the others. */
  readonly callers: number;
}

/**
 * Creates the tables of verification, rate-limit and audit and fills them by SQL. What an attempt at another subject reads is
 * as the services write it; ciphertexts of subjects that nobody calls are random bytes of the usual length.
 */
export async function storeHistory(history: StoredHistory): Promise<StoredCallers> {
  const url = history.databaseUrl;
  const schemas = { verification: VERIFICATION_MIGRATIONS, rate_limit: RATE_LIMIT_MIGRATIONS, audit: AUDIT_MIGRATIONS };
  for (const [schema, migrations] of Object.entries(schemas)) {
    await (await openDatabase({ url, schema, migrations, applicationName: 'bench' })).close();
  }
  // At the same time, each over a connection of its own, so that two processors fill the tables.
  const [found] = await Promise.all([
    withClient(url, (client) => storeAttempts(client, history)),
    withClient(url, (client) => storeEvents(client, history)),
  ]);
  say('  collecting statistics');
  await withClient(url, (client) => client.query('VACUUM ANALYZE').then(() => client.query('CHECKPOINT')));
  return found;
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Triggers and foreign keys of millions of rows take most of the time. The rows fit together anyway.
    await client.query('SET session_replication_role = replica; SET synchronous_commit = off');
    return await work(client);
  } finally {
    await client.end();
  }
}

async function storeAttempts(client: Client, history: StoredHistory): Promise<StoredCallers> {
  const { databaseUrl: url, ring, rows, callers } = history;
  const found: StoredCallers[number][] = [];
  const slices = Math.max(1, Math.ceil(rows / SLICE));
  for (let slice = 0; slice < slices; slice++) {
    const share = (of: number, at: number): number => Math.floor((of * at) / slices);
    const [from, to] = [share(rows, slice), share(rows, slice + 1)];
    for (const statement of SUBJECT_ROWS) await client.query(statement, [from, to - 1]);
    const [first, count] = [share(callers, slice), share(callers, slice + 1) - share(callers, slice)];
    found.push(...(await storeSubjects(url, ring, count, count, TENANT, first)));
    say(`  ${to} subjects with an attempt each`);
  }
  // The digest of the PIN is all that the comparison without a hash reads.
  await client.query(`UPDATE verification.credentials SET wrapped = $1 WHERE subject_id LIKE 'b%'`, [
    createHash('sha256').update(PIN).digest(),
  ]);
  // The attempts are not to be reported to the audit service.
  await client.query('UPDATE verification.attempt_reports SET reported_until = clock_timestamp()');
  return found;
}

/** $1 and $2: the first and the last number. Numbers are multiplied by a prime so that keys come in no order. */
const NUMBERS = `generate_series($1::bigint, $2::bigint) AS n, LATERAL (
  SELECT
    'h' || lpad(n::text, 8, '0') AS id,
    md5('a' || n) AS key,
    md5('b' || n) || md5('c' || n) AS name,
    clock_timestamp() - interval '1 hour' - (n * 7919 % (${DAYS} * 86400)) * interval '1 second' AS at
) row`;
const hex = (text: string, times: number): string => `decode(repeat(md5('${text}' || n), ${times}), 'hex')`;

const SUBJECT_ROWS = [
  `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
  SELECT '${TENANT}', id, gen_random_uuid(), 1, ${hex('p', 6)} FROM ${NUMBERS}`,
  `INSERT INTO verification.subject_phones (tenant, phone_key, subject_id, tag)
  SELECT '${TENANT}', name, id, name FROM ${NUMBERS}`,
  `INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped)
  SELECT '${TENANT}', id, 'k1', ${hex('k', 5)} FROM ${NUMBERS}`,
  `INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
  SELECT '${TENANT}', id, 'pin', 1, 'k1', ${hex('w', 9)}, 50, 'epoch' FROM ${NUMBERS}`,
  `INSERT INTO verification.versions (tenant, subject_id, part, version)
  SELECT '${TENANT}', id, part, 1 FROM ${NUMBERS}, unnest(ARRAY['profile', 'pin']) AS part`,
  `WITH counter AS (
    INSERT INTO verification.attempt_counters (tenant, counter_key, subject_id, attempt_count, last_attempt_at,
      recognized_attempts, lock_level, granted, charged_lock, remaining)
    SELECT '${TENANT}', 'pin:' || id, id, 1, at, ARRAY[at], 0, true, false, 2 FROM ${NUMBERS}
    RETURNING *
  ), attempt AS (
    INSERT INTO verification.attempts (attempt_id, command_id, tenant, agent, call_id, counter_key, subject_id, number,
      counted_at, granted, charged_lock, remaining, state_after, outcome, decided_at, reply, reply_tag)
    SELECT gen_random_uuid(), md5('command' || counter_key) || md5(counter_key), tenant, 'bench-agent',
      gen_random_uuid()::text, counter_key, subject_id, 1, last_attempt_at, true, false, 2,
      verification.counter_state_of(counter::verification.attempt_counters), 'rejected', last_attempt_at,
      '{"attemptsLeft":2}', decode(md5('t' || counter_key) || md5(counter_key), 'hex')
    FROM counter
    RETURNING *
  )
  INSERT INTO verification.commands (command_id, fingerprint, attempt_id, received_at, repeat_until)
  SELECT command_id, md5('f' || command_id) || md5(command_id), attempt_id, counted_at, clock_timestamp() + interval '1 day'
  FROM attempt`,
  `INSERT INTO rate_limit.counters (key, admitted_at, expires_ms)
  SELECT md5('limit' || dimension || n)::uuid, ARRAY[extract(epoch FROM at) * 1000], extract(epoch FROM clock_timestamp()) * 1000 + 86400000
  FROM ${NUMBERS}, unnest(ARRAY['caller', 'call', 'subject']) AS dimension`,
];

/** Events through the inbox and the sequencer of the service, so that the log is whole. They count as published. */
async function storeEvents(client: Client, { databaseUrl: url, origin, rows }: StoredHistory): Promise<void> {
  const database = await openDatabase({ url, schema: 'audit', migrations: 'none', applicationName: 'bench' });
  try {
    const sequencer = new PostgresLogSequencer(database, origin);
    for (let from = 0; from < rows; from += SLICE) {
      await client.query(
        `INSERT INTO audit.inbox (event_id, kind, tenant, subject, call_id, time, value, partition_key)
        SELECT gen_random_uuid(), 'attempt.decided', '${TENANT}', id, gen_random_uuid()::text, at,
          convert_to(rpad('{"n":' || n || ',"x":"' || name, ${EVENT_BYTES - 2}, md5(name)) || '"}', 'UTF8'), '${TENANT}:' || id
        FROM ${NUMBERS}`,
        [from, Math.min(rows, from + SLICE) - 1],
      );
      for (let taken = 1; taken > 0;) ({ taken } = await sequencer.sequence(4_096));
      say(`  ${Math.min(rows, from + SLICE)} events`);
    }
  } finally {
    await database.close();
  }
  await client.query(
    `UPDATE audit.publish_cursor SET next_idx = (SELECT size FROM audit.log_state);
    UPDATE audit.read_back SET indexes = (SELECT int8multirange(int8range(0, size)) FROM audit.log_state)`,
  );
}
