import { Pool } from 'pg';
import { eventually } from '@countersign/testing';
import { attemptsIn, type AuditEvents } from './audit-events.js';

const QUIET_LIMIT_MS = 90_000;

/** A row of `verification.attempts`. */
export interface LedgerRow {
  readonly attempt_id: string;
  readonly command_id: string;
  readonly tenant: string;
  readonly subject_id: string | null;
  readonly counter_key: string;
  /** 1 for the first try at a reference; a bigint as text. */
  readonly number: string;
  readonly granted: boolean;
  readonly charged_lock: boolean;
  readonly outcome: string | null;
}

/** A row of `audit.entries`. */
export interface AuditEntry {
  readonly event_id: string;
  readonly kind: string;
  readonly subject: string | null;
  readonly call_id: string | null;
  readonly attempt_id: string | null;
}

/** The status code of the public event for each outcome that the ledger can hold. */
const CODES: Readonly<Record<string, string>> = {
  verified: 'VERIFIED',
  rejected: 'PIN_MISMATCH',
  locked: 'LOCKED',
  disabled: 'DISABLED',
  unavailable: 'UNAVAILABLE',
};

/** Reads the product's database directly. */
export class Ledger {
  readonly #client: Pool;

  private constructor(url: string) {
    this.#client = new Pool({ connectionString: url, max: 2 });
    // Tests kill the server. The next query opens a new connection.
    this.#client.on('error', () => undefined);
  }

  static async open(url: string): Promise<Ledger> {
    const ledger = new Ledger(url);
    await ledger.#client.query('SELECT 1');
    return ledger;
  }

  /** @param tenants only those; default all */
  async attempts(tenants?: readonly string[]): Promise<LedgerRow[]> {
    const { rows } = await this.#client.query<LedgerRow>(
      'SELECT * FROM verification.attempts WHERE $1::text[] IS NULL OR tenant = ANY ($1) ORDER BY number',
      [tenants ?? null],
    );
    return rows;
  }

  /** How many callers the rate limiter has admitted exactly `limit` times, and more often. */
  async callersByAdmitted(limit: number): Promise<{ full: number; over: number }> {
    const { rows } = await this.#client.query<{ full: number; over: number }>(
      `SELECT count(*) FILTER (WHERE cardinality(commands) = $1)::int AS "full",
         count(*) FILTER (WHERE cardinality(commands) > $1)::int AS over
       FROM rate_limit.counters`,
      [limit],
    );
    return rows[0] ?? { full: 0, over: 0 };
  }

  /** How many tries each counter has seen, by its key. */
  async tries(tenant: string): Promise<Map<string, number>> {
    const { rows } = await this.#client.query<{ counter_key: string; attempt_count: string }>(
      'SELECT counter_key, attempt_count FROM verification.attempt_counters WHERE tenant = $1',
      [tenant],
    );
    return new Map(rows.map((row) => [row.counter_key, Number(row.attempt_count)]));
  }

  /** All attempts of all counters of some tenants. */
  async counted(tenants: readonly string[]): Promise<number> {
    const { rows } = await this.#client.query<{ counted: number }>(
      'SELECT COALESCE(sum(attempt_count), 0)::int AS counted FROM verification.attempt_counters WHERE tenant = ANY ($1)',
      [tenants],
    );
    return rows[0]?.counted ?? 0;
  }

  /** The differences that the audit service has found, one line each. */
  async auditDifferences(): Promise<string[]> {
    const { rows } = await this.#client.query<{ line: string }>(
      `SELECT concat_ws(' ', difference, tenant, subject, number, key) AS line FROM audit.differences`,
    );
    return rows.map(({ line }) => line);
  }

  /** Whether the audit service has compared every attempt so far with its log. */
  async isCompared(): Promise<boolean> {
    const { rows } = await this.#client.query(
      `SELECT FROM audit.comparisons
       WHERE pass = 'live' AND compared_until > (SELECT max(counted_at) FROM verification.attempts)`,
    );
    return rows.length > 0;
  }

  /** The entries of the audit service about some tenants. */
  async entries(tenants: readonly string[]): Promise<AuditEntry[]> {
    const { rows } = await this.#client.query<AuditEntry>(
      `SELECT event_id, kind, subject, call_id, convert_from(value, 'UTF8')::jsonb->'unmapped'->>'verification_id' AS attempt_id
       FROM audit.entries WHERE tenant = ANY ($1)`,
      [tenants],
    );
    return rows;
  }

  /** How many facts are not published yet: in outboxes, in the inbox of the log, and in the log. */
  async unpublished(): Promise<number> {
    const counts = ['verification', 'rate_limit', 'directory'].map(
      (schema) => `SELECT count(*)::int AS n FROM ${schema}.outbox`,
    );
    counts.push('SELECT count(*)::int AS n FROM audit.inbox');
    counts.push('SELECT (size - next_idx)::int AS n FROM audit.log_state, audit.publish_cursor');
    const { rows } = await this.#client.query<{ n: number }>(counts.join(' UNION ALL '));
    return rows.reduce((sum, { n }) => sum + n, 0);
  }

  /** Every row of every table of the product, as text. */
  async *everything(): AsyncGenerator<{ table: string; text: string }> {
    const { rows: tables } = await this.#client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    for (const { name } of tables) {
      const { rows } = await this.#client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
      for (const { text } of rows) yield { table: name, text };
    }
  }

  /** Writes everything that PostgreSQL holds in memory to its files. @returns their folder */
  async flushedFolder(): Promise<string> {
    await this.#client.query('CHECKPOINT');
    const { rows } = await this.#client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  }

  /** Runs a statement that the product itself never runs. */
  async administer(statement: string): Promise<void> {
    await this.#client.query(statement);
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}

/**
 * Waits until ledger and topic agree.
 * @returns the remaining differences, one line each: an attempt without an outcome, without an event, with two events, or
 * an event without an attempt; empty when ledger and topic agree
 */
export async function differences(ledger: Ledger, events: AuditEvents): Promise<string[]> {
  let found: string[] = [];
  const agree = async (): Promise<boolean> => {
    const waiting = await ledger.unpublished();
    found = compare(await ledger.attempts(), attemptsIn(events.of('attempt.decided')));
    if (waiting > 0) found.push(`${waiting} facts are not published`);
    return found.length === 0;
  };
  await eventually('ledger and topic agree', agree, QUIET_LIMIT_MS).catch(() => undefined);
  return found;
}

/** The differences between ledger and topic, one line each. */
export function compare(rows: readonly LedgerRow[], published: ReturnType<typeof attemptsIn>): string[] {
  const counted = new Set(rows.map(({ attempt_id }) => attempt_id));
  const found = [...published.keys()].filter((id) => !counted.has(id)).map((id) => `event without an attempt: ${id}`);
  for (const { attempt_id: id, outcome } of rows) {
    const event = published.get(id);
    if (outcome === null) found.push(`attempt without an outcome: ${id}`);
    else if (event === undefined) found.push(`attempt without an event: ${id} (${outcome})`);
    else if (event.eventIds.size > 1) found.push(`attempt under ${event.eventIds.size} event ids: ${id}`);
    else if ([...event.codes].join() !== CODES[outcome])
      found.push(`attempt ${id} is ${outcome}, its event ${[...event.codes].join()}`);
  }
  return found;
}
