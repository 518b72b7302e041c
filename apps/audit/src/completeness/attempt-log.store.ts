import { Injectable } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { readLoggedAttempt, type AttemptDifference, type LogAttempt } from './compare-attempts.decision.js';
import { AttemptLog } from './completeness.ports.js';

/** Entries that are read at once, so that forged ones cannot fill the memory with their bytes. */
const PAGE = 1_000;

/** $1 from, $2 before, $3 time and $4 event id of the last entry of the page before, $5 rows */
const READ_BETWEEN = `
SELECT event_id, tenant, subject, time, value
FROM audit.entries
WHERE kind = 'attempt.decided'
  AND time >= $1
  AND time < $2
  AND (time, event_id) > ($3, $4)
ORDER BY time, event_id
LIMIT $5`;

/** $1 times */
const READ_AT = `
SELECT event_id, tenant, subject, time, value
FROM audit.entries
WHERE kind = 'attempt.decided' AND time = ANY ($1::timestamptz[])`;

/**
 * Triggers permit the removal of entries below an index, and of none of the last 30 days. Times are nearly in the order of
 * indexes.
 */
const PRUNED_BEFORE = `
SELECT LEAST(time + interval '1 day', clock_timestamp() - interval '30 days') AS before
FROM audit.entries
WHERE idx = (SELECT max(below) FROM audit.prunings)`;

interface EntryRow {
  event_id: string;
  tenant: string;
  subject: string | null;
  time: Date;
  value: Buffer;
}

/** {@link AttemptLog} in `audit.entries`. */
@Injectable()
export class PostgresAttemptLog extends AttemptLog {
  readonly #database: Pick<Database, 'query'>;

  constructor(database: Database) {
    super();
    this.#database = database.forAllTenants();
  }

  override async between(from: string, until: string): Promise<LogAttempt[]> {
    const logged: LogAttempt[] = [];
    for (let [time, id] = ['-infinity', '00000000-0000-0000-0000-000000000000']; ;) {
      const rows = await this.#database.query<EntryRow>(READ_BETWEEN, [from, until, time, id, PAGE]);
      logged.push(...rows.map(loggedOf));
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return logged;
      [time, id] = [last.time.toISOString(), last.event_id];
    }
  }

  override async having(
    attempts: readonly Pick<AttemptDifference, 'key' | 'countedAt'>[],
  ): Promise<ReadonlySet<string>> {
    const rows = await this.#database.query<EntryRow>(READ_AT, [attempts.map(({ countedAt }) => countedAt)]);
    const logged = new Set(rows.map((row) => readLoggedAttempt(row.value)?.id));
    return new Set(attempts.map(({ key }) => key).filter((key) => logged.has(key)));
  }

  override async prunedBefore(): Promise<string | undefined> {
    const [row] = await this.#database.query<{ before: Date }>(PRUNED_BEFORE);
    return row?.before.toISOString();
  }
}

function loggedOf({ event_id, tenant, subject, time, value }: EntryRow): LogAttempt {
  return {
    eventId: event_id,
    tenant,
    subject: subject ?? undefined,
    countedAt: time.toISOString(),
    attempt: readLoggedAttempt(value),
  };
}
