import { hasSqlState } from './database-errors.js';
import { type Database } from './database.js';
import { type Session } from './session.js';

/** A record as the broker takes it. */
export interface RelayedRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface OutboxRelayOptions {
  readonly database: Database;
  /** Resolves when the broker holds the records for good; keeps the order per key of one call and between calls. */
  readonly send: (records: RelayedRecord[]) => Promise<void>;
  /** Told of every failed pass, for the log; the relay goes on by itself. */
  readonly onError: (error: unknown) => void;
  /** How long a wake waits for others to travel with it, in milliseconds. Default 100. */
  readonly lingerMs?: number;
  /** How often to look without being woken: for what a copy that died has left. Milliseconds, default 1,000. */
  readonly pollMs?: number;
  /** Records of one pass at most. Default 500. */
  readonly batch?: number;
}

/** What waits in an outbox. */
export interface OutboxBacklog {
  readonly pending: number;
  /** Age in seconds of the record that waits longest; 0 when none does. */
  readonly oldestAgeSeconds: number;
}

interface OutboxRow {
  readonly seq: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly payload: string;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const LOCK_NOT_AVAILABLE = '55P03';
/** Records handed to the broker at a time: what is urgent goes between two of these, when an outage is caught up with. */
const PIECE = 100;

/**
 * Publishes what transactions left in the outbox: each record at least once, those of one key in the order of their
 * commits. Copies of a service run one relay each, side by side; whichever has the lock works for all.
 *
 * A record is sent again, with the same id, when the connection breaks between the broker's acknowledgement and the
 * deletion; consumers know it by the id (see {@link Inbox}).
 */
export class OutboxRelay {
  readonly #options: Required<OutboxRelayOptions>;
  readonly #begin: string;
  #loop: Promise<void> | undefined;
  #woken = false;
  #closing = false;
  #interrupt: (() => void) | undefined;

  constructor(options: OutboxRelayOptions) {
    this.#options = { lingerMs: 100, pollMs: 1_000, batch: 500, ...options };
    const { schema } = options.database;
    // One round trip, but five statements: the rows must be read after the lock is held, by a statement with a snapshot
    // of its own, or a relay that waited would send what the one before it has just sent. All rows from the first, never
    // from the last number seen: a transaction with a lower number may commit later. A deletion that a crash of the
    // server undoes only sends again, so that its commit need not wait for the disk. The limits bound how long a relay
    // waits for another and how long one that was stopped dead keeps the others waiting.
    this.#begin = `
      BEGIN ISOLATION LEVEL READ COMMITTED;
      SET LOCAL synchronous_commit = off;
      SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '60s';
      SELECT pg_advisory_xact_lock(hashtextextended('outbox-relay:${schema}', 0));
      SELECT seq, topic, key, headers, payload FROM ${schema}.outbox ORDER BY seq LIMIT ${this.#options.batch}`;
  }

  /** Begins with a pass: an earlier run may have left something. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** To be called after every commit that wrote to the outbox; many calls make one pass. */
  wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#interrupt?.();
  }

  /** Finishes the pass under way and makes a last one. What cannot be sent then stays for the next start. */
  async close(): Promise<void> {
    if (this.#closing || this.#loop === undefined) return this.#loop;
    this.#closing = true;
    this.#interrupt?.();
    await this.#loop;
  }

  /** Number of records that wait. */
  async pending(): Promise<number> {
    const { database } = this.#options;
    const rows = await database.query<{ n: string }>(`SELECT count(*) AS n FROM ${database.schema}.outbox`);
    return Number(rows[0]?.n ?? 0);
  }

  /** For metrics, in one statement. Counts at most 100,000: after a long outage a look must stay cheap. */
  async backlog(): Promise<OutboxBacklog> {
    const { database } = this.#options;
    const { schema } = database;
    const rows = await database.query<{ n: string; age: number | null }>(
      `SELECT (SELECT count(*) FROM (SELECT FROM ${schema}.outbox LIMIT 100000) o) AS n,
        (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
         FROM ${schema}.outbox ORDER BY seq LIMIT 1) AS age`,
    );
    return { pending: Number(rows[0]?.n ?? 0), oldestAgeSeconds: Math.max(0, rows[0]?.age ?? 0) };
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closing) {
      this.#woken = false;
      if (await this.#drain()) {
        failures = 0;
        await this.#untilWoken();
      } else {
        // Halved at random: copies that failed together do not come back together.
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
        await this.#rest(pause * (0.5 + Math.random() / 2), false);
      }
    }
    await this.#drain();
  }

  /** Passes until the outbox is empty. False when one failed. */
  async #drain(): Promise<boolean> {
    try {
      let taken: number;
      do taken = await this.#options.database.session((session) => this.#pass(session));
      while (taken >= this.#options.batch && !this.#closing);
      return true;
    } catch (error) {
      // Another relay has worked for five seconds and still does: it takes our records along.
      if (hasSqlState(error, LOCK_NOT_AVAILABLE)) return true;
      this.#options.onError(error);
      return false;
    }
  }

  /** One batch, in one transaction. Returns how many records it sent. */
  async #pass(session: Session): Promise<number> {
    try {
      const rows = await session.script<OutboxRow>(this.#begin);
      if (rows.length === 0) {
        await session.rollback();
        return 0;
      }
      const began = performance.now();
      for (let at = 0; at < rows.length; at += PIECE) {
        await this.#options.send(rows.slice(at, at + PIECE).map(toRecord));
      }
      // As much rest as work: the backlog of an outage must not take broker and audit from those who wait for an answer.
      // With the lock in hand, or the relays of other copies would work meanwhile.
      if (rows.length >= this.#options.batch) await this.#rest(performance.now() - began, false);
      const sent = rows.map((row) => row.seq).join(',');
      const { schema } = this.#options.database;
      await session.script(`DELETE FROM ${schema}.outbox WHERE seq = ANY ('{${sent}}'::bigint[]); COMMIT`);
      return rows.length;
    } catch (error) {
      await session.rollback();
      throw error;
    }
  }

  async #untilWoken(): Promise<void> {
    if (!this.#woken) await this.#rest(this.#options.pollMs, true);
    if (this.#woken) await this.#rest(this.#options.lingerMs, false);
  }

  /** A pause that `close` ends at once, and `wake` when it may. */
  async #rest(ms: number, untilWoken: boolean): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#interrupt = () => {
        if (!untilWoken && !this.#closing) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#interrupt = undefined;
  }
}

function toRecord(row: OutboxRow): RelayedRecord {
  return { topic: row.topic, key: row.key, value: Buffer.from(row.payload, 'utf8'), headers: row.headers };
}
