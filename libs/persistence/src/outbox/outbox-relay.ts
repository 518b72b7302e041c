import { hasSqlState } from '../database-errors.js';
import { type Database } from '../database.js';
import { type Session } from '../session.js';

/** A record to publish. */
export interface RelayedRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface OutboxRelayOptions {
  readonly database: Database;
  /**
   * Resolves when the broker has durably stored the records. Must keep the order per key, within a call and between
   * calls.
   */
  readonly send: (records: RelayedRecord[]) => Promise<void>;
  /** Called, for the log, after every failed batch; the relay continues by itself. */
  readonly onError: (error: unknown) => void;
  /** How long a wake waits so that later ones share its batch, in milliseconds. Default 100. */
  readonly lingerMs?: number;
  /** How often to poll without a wake, for records of a dead copy, in milliseconds. Default 1,000. */
  readonly pollMs?: number;
  /** The maximum number of records in a batch. Default 500. */
  readonly batchSize?: number;
}

/** The records that wait in an outbox. */
export interface OutboxBacklog {
  readonly pending: number;
  /** Age of the oldest waiting record in seconds; 0 when there is none. */
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
const MAX_PAUSE_MS = 5_000;
const LOCK_NOT_AVAILABLE = '55P03';
/** Records given to the broker at a time. During a backlog, urgent records of other senders fit between two chunks. */
const CHUNK_SIZE = 100;

/**
 * Publishes the records that transactions wrote to the outbox: each at least once, those of one key in the order of
 * their commits. Each copy of a service runs a relay; the one that holds the lock publishes for all.
 * A record is sent again, with the same id, when the connection breaks between the acknowledgement of the broker and
 * the deletion. Consumers recognize the id (see {@link Inbox}).
 */
export class OutboxRelay {
  readonly #options: Required<OutboxRelayOptions>;
  readonly #beginSql: string;
  #loop: Promise<void> | undefined;
  #isWoken = false;
  #isClosing = false;
  #interrupt: (() => void) | undefined;

  constructor(options: OutboxRelayOptions) {
    this.#options = { lingerMs: 100, pollMs: 1_000, batchSize: 500, ...options };
    const { schema } = options.database;
    // One round trip. The rows must be read by a statement that starts after the lock is held and
    // has its own snapshot. Otherwise a relay that waited would send again what the previous one has just sent. Reads
    // from the first row, never from the last number seen, because a transaction with a lower number may commit later.
    // The commit does not wait for the disk: when a crash undoes the deletion, records are only sent again. The
    // timeouts bound how long a relay waits for another, and how long a suspended one blocks the others. The table is
    // nearly always empty, so by its statistics a scan of all its dead rows would be as cheap as the index.
    this.#beginSql = `
      BEGIN ISOLATION LEVEL READ COMMITTED;
      SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off;
      SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '60s';
      SELECT pg_advisory_xact_lock(hashtextextended('outbox-relay:${schema}', 0));
      SELECT seq, topic, key, headers, payload FROM ${schema}.outbox ORDER BY seq LIMIT ${this.#options.batchSize}`;
  }

  /** Starts with a batch, because an earlier run may have left records. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Call after every commit that wrote to the outbox; many calls share a batch. */
  wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#interrupt?.();
  }

  /** Finishes the running batch and publishes once more. Records that cannot be sent wait for the next start. */
  async close(): Promise<void> {
    if (this.#isClosing || this.#loop === undefined) return this.#loop;
    this.#isClosing = true;
    this.#interrupt?.();
    await this.#loop;
  }

  /** The number of waiting records. */
  async pending(): Promise<number> {
    const { database } = this.#options;
    const rows = await database.query<{ n: string }>(`SELECT count(*) AS n FROM ${database.schema}.outbox`);
    return Number(rows[0]?.n ?? 0);
  }

  /** For metrics, in one statement. Counts at most 100,000, so that it stays cheap after a long outage. */
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
    while (!this.#isClosing) {
      this.#isWoken = false;
      if (await this.#publishAll()) {
        failures = 0;
        await this.#waitForWake();
      } else {
        // Random between half and all of it, so that copies which failed together do not retry together.
        const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
        await this.#pause(pause * (0.5 + Math.random() / 2), false);
      }
    }
    await this.#publishAll();
  }

  /** Publishes batches until the outbox is empty. Returns false when one failed. */
  async #publishAll(): Promise<boolean> {
    try {
      let taken: number;
      do taken = await this.#options.database.session((session) => this.#publishBatch(session));
      while (taken >= this.#options.batchSize && !this.#isClosing);
      return true;
    } catch (error) {
      // Another relay has held the lock for five seconds and publishes our records too.
      if (hasSqlState(error, LOCK_NOT_AVAILABLE)) return true;
      this.#options.onError(error);
      return false;
    }
  }

  /** Publishes one batch in one transaction. Returns the number of records sent. */
  async #publishBatch(session: Session): Promise<number> {
    try {
      const rows = await session.script<OutboxRow>(this.#beginSql);
      if (rows.length === 0) {
        await session.rollback();
        return 0;
      }
      const startedAt = performance.now();
      for (let at = 0; at < rows.length; at += CHUNK_SIZE) {
        await this.#options.send(rows.slice(at, at + CHUNK_SIZE).map(toRecord));
      }
      // Pauses as long as it worked, so that a backlog does not take broker and audit from live requests. Keeps the
      // lock during the pause, otherwise relays of other copies would work.
      if (rows.length >= this.#options.batchSize) await this.#pause(performance.now() - startedAt, false);
      const sent = rows.map((row) => row.seq).join(',');
      const { schema } = this.#options.database;
      await session.script(`DELETE FROM ${schema}.outbox WHERE seq = ANY ('{${sent}}'::bigint[]); COMMIT`);
      return rows.length;
    } catch (error) {
      await session.rollback();
      throw error;
    }
  }

  async #waitForWake(): Promise<void> {
    if (!this.#isWoken) await this.#pause(this.#options.pollMs, true);
    if (this.#isWoken) await this.#pause(this.#options.lingerMs, false);
  }

  /** A pause that `close` ends at once, and `wake` when `endsOnWake`. */
  async #pause(ms: number, endsOnWake: boolean): Promise<void> {
    if (this.#isClosing) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#interrupt = () => {
        if (!endsOnWake && !this.#isClosing) return;
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
