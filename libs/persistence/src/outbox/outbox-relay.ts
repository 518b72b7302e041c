import { WokenLoop } from '@countersign/runtime';
import { hasSqlState } from '../database-errors.js';
import { type Database } from '../database.js';
import { type Session } from '../session.js';
import { ALL_TENANTS } from '../tenant-rows.js';
import { outboxSource, type RelayedRecord, type RelaySource } from './relay-source.js';

export interface OutboxRelayOptions {
  readonly database: Database;
  /** The records to publish. Default: the rows of the table `outbox` in the schema of the database. */
  readonly source?: RelaySource;
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
  /** Reads the next records. Planned once per connection, because planning took longer than reading. */
  readonly #read: { readonly name: string; readonly sql: string };
  readonly #beginSql: string;
  readonly #loop: WokenLoop;

  constructor(options: OutboxRelayOptions) {
    const { schema } = options.database;
    this.#options = { lingerMs: 100, pollMs: 1_000, batchSize: 500, source: outboxSource(schema), ...options };
    const { lingerMs, pollMs, source, batchSize } = this.#options;
    this.#read = { name: `relay_read_${batchSize}`, sql: source.readSql(batchSize) };
    this.#loop = new WokenLoop({ work: () => this.#publishAll(), lingerMs, pollMs });
    // One round trip. The rows must be read by a statement that starts after the lock is held and
    // has its own snapshot. Otherwise a relay that waited would send again what the previous one has just sent. Reads
    // from the first row, never from the last number seen, because a transaction with a lower number may commit later.
    // The commit does not wait for the disk: when a crash undoes the deletion, records are only sent again. The
    // timeouts bound how long a relay waits for another, and how long a suspended one blocks the others. The table is
    // nearly always empty, so by its statistics a scan of all its dead rows would be as cheap as the index.
    this.#beginSql = `
      SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off;
      SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '60s';
      SELECT pg_advisory_xact_lock(hashtextextended('outbox-relay:${schema}', 0));
      EXECUTE ${this.#read.name}`;
  }

  /** Starts with a batch, because an earlier run may have left records. */
  start(): void {
    this.#loop.start();
  }

  /** Call after every commit that wrote to the outbox; many calls share a batch. */
  wake(): void {
    this.#loop.wake();
  }

  /** Finishes the running batch and publishes once more. Records that cannot be sent wait for the next start. */
  close(): Promise<void> {
    return this.#loop.close();
  }

  /** The number of waiting records, at most 100,000. */
  async pending(): Promise<number> {
    return (await this.backlog()).pending;
  }

  /** For metrics, in one statement. Counts at most 100,000, so that it stays cheap after a long outage. */
  async backlog(): Promise<OutboxBacklog> {
    const { database, source } = this.#options;
    const visible = source.readsAllTenants === true ? database.forAllTenants() : database;
    const rows = await visible.query<{ n: string; age: number | null }>(source.backlogSql);
    return { pending: Number(rows[0]?.n ?? 0), oldestAgeSeconds: Math.max(0, rows[0]?.age ?? 0) };
  }

  /** Publishes batches until the outbox is empty. Returns false when one failed. */
  async #publishAll(): Promise<boolean> {
    try {
      let taken: number;
      const { database, batchSize } = this.#options;
      do taken = await database.session((session) => this.#publishBatch(session));
      while (taken >= batchSize && !this.#loop.isClosing);
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
      const { source, send, batchSize } = this.#options;
      const tenants = source.readsAllTenants === true ? ALL_TENANTS : undefined;
      await session.prepare(this.#read.name, this.#read.sql);
      const batch = source.take(await session.begin(tenants, this.#beginSql));
      if (batch === undefined) {
        await session.rollback();
        return 0;
      }
      const { records, doneSql } = batch;
      const startedAt = performance.now();
      for (let at = 0; at < records.length; at += CHUNK_SIZE) await send(records.slice(at, at + CHUNK_SIZE));
      // Keeps the lock during the pause, otherwise relays of other copies would work.
      if (records.length >= batchSize && source.restsAfterFullBatch !== false)
        await this.#loop.rest(performance.now() - startedAt);
      await session.commit(doneSql);
      return records.length;
    } catch (error) {
      await session.rollback();
      throw error;
    }
  }
}
