import { Client } from 'pg';
import { eventually } from '@countersign/testing';
import { attemptsIn, type AuditEvents } from './audit-events.js';

const QUIET_LIMIT_MS = 90_000;

/** A row of `verification.attempts`. */
export interface LedgerRow {
  readonly attempt_id: string;
  readonly command_id: string;
  readonly tenant: string;
  readonly subject_id: string | null;
  readonly granted: boolean;
  readonly outcome: string | null;
}

/** The status code of the public event for each outcome that the ledger can hold. */
const CODES: Readonly<Record<string, string>> = {
  verified: 'VERIFIED',
  rejected: 'PIN_MISMATCH',
  locked: 'LOCKED',
  unavailable: 'UNAVAILABLE',
};

/** Looks into the product's database, past the product. */
export class Ledger {
  readonly #client: Client;

  private constructor(url: string) {
    this.#client = new Client({ connectionString: url });
  }

  static async open(url: string): Promise<Ledger> {
    const ledger = new Ledger(url);
    await ledger.#client.connect();
    return ledger;
  }

  async attempts(): Promise<LedgerRow[]> {
    const { rows } = await this.#client.query<LedgerRow>('SELECT * FROM verification.attempts');
    return rows;
  }

  /** Facts that are not published yet, over all outboxes. */
  async unpublished(): Promise<number> {
    const counts = ['verification', 'rate_limit', 'directory'].map(
      (schema) => `SELECT count(*)::int AS n FROM ${schema}.outbox`,
    );
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

  /** Writes everything that PostgreSQL still holds in memory to its files, and tells where they are. */
  async flushedFolder(): Promise<string> {
    await this.#client.query('CHECKPOINT');
    const { rows } = await this.#client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}

/**
 * Waits until nothing is under way any more.
 * @returns what is wrong in the end, one line each: an attempt without a verdict, without an event, with two events, or
 * an event that no attempt stands behind; empty when ledger and topic tell the same
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

function compare(rows: readonly LedgerRow[], published: ReturnType<typeof attemptsIn>): string[] {
  const counted = new Set(rows.map(({ attempt_id }) => attempt_id));
  const found = [...published.keys()].filter((id) => !counted.has(id)).map((id) => `event without an attempt: ${id}`);
  for (const { attempt_id: id, outcome } of rows) {
    const event = published.get(id);
    if (outcome === null) found.push(`attempt without a verdict: ${id}`);
    else if (event === undefined) found.push(`attempt without an event: ${id} (${outcome})`);
    else if (event.eventIds.size > 1) found.push(`attempt under ${event.eventIds.size} event ids: ${id}`);
    else if ([...event.codes].join() !== CODES[outcome])
      found.push(`attempt ${id} is ${outcome}, its event ${[...event.codes].join()}`);
  }
  return found;
}
