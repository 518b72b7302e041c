import { Injectable } from '@nestjs/common';
import { v7 as uuid } from 'uuid';
import { type AttemptsReported, type Method } from '@countersign/contracts';
import { Database, type Transaction } from '@countersign/persistence';
import { type AttemptDifference, type Difference } from './compare-attempts.decision.js';
import { DifferenceRecords, type ConfirmedDifference, type TopicDifference } from './completeness.ports.js';

/** After this time a difference is raised although the log seems late: one forged late fact a minute looks the same. */
const LATE_HOURS = 6;
/** Entries from which the delay of the log is measured. */
const DELAY_SAMPLE = 64;

/** The differences of a period that were not found again. $1 from, $2 before, $3 kinds, $4 keys */
const REMOVE_OF_PERIOD = `
DELETE FROM audit.differences
WHERE counted_at >= $1
  AND counted_at < $2
  AND (difference, key) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]))`;

/** The differences of the topic that were not found again. $1 kinds, $2 keys */
const REMOVE_OF_TOPIC = `
DELETE FROM audit.differences
WHERE counted_at IS NULL AND (difference, key) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))`;

/** An entry that was not sent yet is no lost record: its age counts from when it was sent. */
const RESTART_UNSENT = `
UPDATE audit.differences
SET first_seen_at = clock_timestamp()
WHERE difference = 'not_published' AND key = (SELECT next_idx::text FROM audit.publish_cursor)`;

const ADD = `
INSERT INTO audit.differences (difference, key, tenant, subject, method, number, counted_at, fact_id)
SELECT *
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::uuid[])
ON CONFLICT (difference, key) DO NOTHING`;

/** A redelivered live report must not set the end back. The pass over the past begins again, so its end may. $1 pass, $2 end */
const COMPARED = `
INSERT INTO audit.comparisons AS known (pass, compared_until)
VALUES ($1, $2)
ON CONFLICT (pass) DO UPDATE
  SET
    compared_until = CASE $1
      WHEN 'live' THEN GREATEST(known.compared_until, EXCLUDED.compared_until)
      ELSE EXCLUDED.compared_until
    END,
    compared_at = EXCLUDED.compared_at`;

/** After a restored backup, raised and accepted rows can be more than the limit, so they are last. $1 rows */
const MISSING_IN_LOG = `
SELECT key, counted_at
FROM audit.differences
WHERE difference IN ('not_logged', 'undecided')
ORDER BY raised_at IS NOT NULL OR accepted_at IS NOT NULL, first_seen_at
LIMIT $1`;

/** $1 keys */
const RESOLVE = `
DELETE FROM audit.differences
WHERE difference IN ('not_logged', 'undecided') AND key = ANY ($1::text[])`;

/**
 * None while the log is catching up after an outage: while attempts that it just recorded are older than a difference must be,
 * or facts wait that long in the inbox. $1 seconds, $2 rows
 */
const UNRAISED = `
SELECT difference, key, tenant, subject, method, number, fact_id, first_seen_at
FROM audit.differences
WHERE raised_at IS NULL
  AND accepted_at IS NULL
  AND first_seen_at < clock_timestamp() - make_interval(secs => $1)
  AND (first_seen_at < clock_timestamp() - interval '${LATE_HOURS} hours' OR NOT EXISTS (
    SELECT
    FROM (
      SELECT time, recorded_at
      FROM audit.entries
      WHERE kind = 'attempt.decided'
      ORDER BY idx DESC
      LIMIT ${DELAY_SAMPLE}
    ) latest
    WHERE recorded_at > clock_timestamp() - make_interval(secs => $1)
      AND time < recorded_at - make_interval(secs => $1)
  )
  AND NOT EXISTS (
    SELECT
    FROM audit.inbox
    WHERE recorded_at < clock_timestamp() - make_interval(secs => $1)
  ))
ORDER BY first_seen_at
LIMIT $2`;

/** $1 ids of facts */
const MARK_RAISED = `
UPDATE audit.differences
SET raised_at = clock_timestamp()
WHERE fact_id = ANY ($1::uuid[])`;

/** A missing range of the topic counts once for each of its entries. */
const COUNTS = `
SELECT
  difference,
  sum(CASE WHEN counted_at IS NULL THEN COALESCE(number, 1) ELSE 1 END)::bigint AS count
FROM audit.differences
WHERE accepted_at IS NULL
GROUP BY difference`;

const AGE = `
SELECT EXTRACT(EPOCH FROM clock_timestamp() - compared_until)::float8 AS seconds
FROM audit.comparisons
WHERE pass = 'live'`;

interface DifferenceRow {
  difference: Difference;
  key: string;
  tenant: string;
  subject: string | null;
  method: Method | null;
  number: string | null;
  fact_id: string;
  first_seen_at: Date;
}

/** {@link DifferenceRecords} in PostgreSQL. */
@Injectable()
export class PostgresDifferenceRecords extends DifferenceRecords {
  readonly #database: Pick<Database, 'query' | 'transaction'>;

  constructor(database: Database) {
    super();
    this.#database = database.forAllTenants();
  }

  override async replace(
    { pass, from, until }: Pick<AttemptsReported, 'pass' | 'from' | 'until'>,
    found: readonly AttemptDifference[],
  ): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query(REMOVE_OF_PERIOD, [from, until, ...idsOf(found)]);
      await add(tx, found);
      await tx.query(COMPARED, [pass, until]);
    });
  }

  override async replaceOfTopic(found: readonly TopicDifference[]): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.query(REMOVE_OF_TOPIC, idsOf(found));
      await add(tx, found);
      await tx.query(RESTART_UNSENT);
    });
  }

  override async missingInLog(limit: number): Promise<Pick<AttemptDifference, 'key' | 'countedAt'>[]> {
    const rows = await this.#database.query<{ key: string; counted_at: Date }>(MISSING_IN_LOG, [limit]);
    return rows.map((row) => ({ key: row.key, countedAt: row.counted_at.toISOString() }));
  }

  override async resolve(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#database.query(RESOLVE, [keys]);
  }

  override async unraised(afterSeconds: number, limit: number): Promise<ConfirmedDifference[]> {
    const rows = await this.#database.query<DifferenceRow>(UNRAISED, [afterSeconds, limit]);
    return rows.map((row) => ({
      difference: row.difference,
      key: row.key,
      tenant: row.tenant,
      subject: row.subject ?? undefined,
      method: row.method ?? undefined,
      number: row.number === null ? undefined : Number(row.number),
      factId: row.fact_id,
      firstSeenAt: row.first_seen_at,
    }));
  }

  override async markRaised(factIds: readonly string[]): Promise<void> {
    await this.#database.query(MARK_RAISED, [factIds]);
  }

  override async counts(): Promise<ReadonlyMap<Difference, number>> {
    const rows = await this.#database.query<{ difference: Difference; count: string }>(COUNTS);
    return new Map(rows.map(({ difference, count }) => [difference, Number(count)]));
  }

  override async comparisonAge(): Promise<number | undefined> {
    const [row] = await this.#database.query<{ seconds: number }>(AGE);
    return row?.seconds;
  }
}

type FoundDifference = AttemptDifference | TopicDifference;

const idsOf = (found: readonly FoundDifference[]): [string[], string[]] => [
  found.map(({ difference }) => difference),
  found.map(({ key }) => key),
];

async function add(tx: Transaction, found: readonly FoundDifference[]): Promise<void> {
  if (found.length === 0) return;
  await tx.query(ADD, [
    ...idsOf(found),
    found.map(({ tenant }) => tenant),
    found.map(({ subject }) => subject ?? null),
    found.map(({ method }) => method ?? null),
    found.map(({ number }) => number ?? null),
    found.map(({ countedAt }) => countedAt ?? null),
    found.map(() => uuid()),
  ]);
}
