import { CompactRange, leafHash, partialTilesOf, TiledTree, type HashTile } from '@countersign/transparency-log';
import { UniqueViolation, type Database, type Transaction } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { type TrailEntry } from '../trail/trail.ports.js';
import { LogSequencer, type SequencedBatch, type ShardStartedEntry } from './log.ports.js';
import { shardOf } from './shard.decision.js';

/**
 * Takes the lock of the log, so that copies take turns. The settings hold until the end of the transaction: the inbox is
 * nearly always empty, and the entries grow faster than their statistics, so plans by statistics would read all of them.
 */
const BEGIN = `
SELECT size, compact_range AS range, origin, clock_timestamp() AS now,
  set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true), set_config('lock_timeout', '5s', true),
  set_config('idle_in_transaction_session_timeout', '60s', true)
FROM audit.log_state FOR UPDATE`;

/** A transaction for nothing would take the lock every second. */
const WAITING = 'SELECT size, EXISTS (SELECT FROM audit.inbox) AS "hasFacts" FROM audit.log_state';

/**
 * Adds facts to the entries: those of the inbox, and those of the arrays. One with an entry is dropped. Runs after the lock is
 * held, with a snapshot of its own, so it sees every entry. The counts grow by the same facts, one row per step and kind. The
 * values are in one parameter, because PostgreSQL would get an array of them as text of twice the length.
 * $1 first index, $2 facts of the inbox, $3 to $13 fields, $14 lengths of the values, $15 values
 */
const MOVE = `
WITH taken AS (
  DELETE FROM audit.inbox WHERE seq IN (SELECT seq FROM audit.inbox ORDER BY seq LIMIT $2) RETURNING *
), given AS (
  SELECT *,
    substring($15::bytea FROM (sum(length) OVER (ORDER BY position))::int - length + 1 FOR length) AS value
  FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::int[], $14::int[]) WITH ORDINALITY
    AS g(event_id, kind, tenant, subject, call_id, time, partition_key, traceparent, ocsf_version, variant, count,
      length, position)
), facts AS (
  SELECT 1 AS source, seq AS position, event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent,
    ocsf_version, variant, count, recorded_at
  FROM taken
  UNION ALL
  SELECT 2, position, event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent,
    ocsf_version, variant, count, clock_timestamp()
  FROM given g WHERE NOT EXISTS (SELECT FROM taken t WHERE t.event_id = g.event_id)
), fresh AS (
  SELECT * FROM facts f WHERE NOT EXISTS (SELECT FROM audit.entries e WHERE e.event_id = f.event_id)
), counted AS (
  INSERT INTO audit.event_counts AS c (tenant, step, start_time, kind, variant, count)
  SELECT tenant, step, date_trunc(step, time, 'UTC'), kind, variant, sum(count)
  FROM fresh CROSS JOIN (VALUES ('minute'), ('hour')) AS s(step)
  WHERE variant IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (tenant, step, start_time, kind, variant) DO UPDATE SET count = c.count + excluded.count
), added AS (
  INSERT INTO audit.entries
    (idx, event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, ocsf_version,
      recorded_at)
  SELECT $1::bigint + row_number() OVER (ORDER BY source, position) - 1,
    event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, ocsf_version, recorded_at
  FROM fresh
  RETURNING idx, value
)
SELECT (SELECT count(*) FROM taken)::int AS taken,
  (SELECT array_agg(sha256('\\x00'::bytea || value) ORDER BY idx) FROM added) AS leaves`;

/** $1 the size of the log, $2 whether other facts wait */
const LAST_SHARD = `
SELECT (SELECT max(name) FROM audit.shards) AS name,
  $2 OR EXISTS (SELECT FROM audit.inbox) AS "hasFacts",
  (SELECT note FROM audit.checkpoints WHERE size <= $1 ORDER BY size DESC, signed_at DESC LIMIT 1) AS checkpoint`;

const START_SHARD = `
WITH shard AS (
  INSERT INTO audit.shards (name, first_idx, started_at, checkpoint) VALUES ($1, $2, $3, $4)
)
INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, ocsf_version, recorded_at)
VALUES ($2, $5, $6, $7, $3, $8, $9, $10, $3)`;

/** Writes tiles and head, and compares and swaps the size. No row: another copy has changed the log. */
const GROW = `
WITH swapped AS (
  UPDATE audit.log_state SET size = $2, compact_range = $3, origin = $4 WHERE size = $1 RETURNING 1
), tiles AS (
  INSERT INTO audit.tiles AS t (level, tile_index, width, hashes)
  SELECT * FROM unnest($6::smallint[], $7::bigint[], $8::smallint[], $9::bytea[])
  ON CONFLICT (level, tile_index) DO UPDATE SET width = excluded.width, hashes = excluded.hashes
)
INSERT INTO audit.tree_heads (size, root) SELECT $2, $5 FROM swapped RETURNING size`;

/** The partial tiles of the tree, in the order of the arrays. */
const TILES = `
SELECT t.hashes FROM unnest($1::smallint[], $2::bigint[]) WITH ORDINALITY AS p(level, tile_index, position)
JOIN audit.tiles t USING (level, tile_index) ORDER BY position`;

interface LogState {
  readonly size: string;
  readonly range: Buffer | null;
  readonly origin: string | null;
  readonly now: Date;
}

/** The sequencer on PostgreSQL. Any number of copies may run; they take turns on the row of the log's state. */
export class PostgresLogSequencer extends LogSequencer {
  /** The tree after the last batch of this copy. */
  #tree = TiledTree.empty();
  /** The last shard that is known to have begun. */
  #shard = '';

  /** @param shardStarted undefined: the log has no shards */
  constructor(
    private readonly database: Database,
    private readonly origin: string,
    private readonly shardStarted?: ShardStartedEntry,
  ) {
    super();
  }

  override async sequence(limit: number, facts: readonly TrailEntry[] = []): Promise<SequencedBatch> {
    const database = this.database.forAllTenants();
    if (facts.length === 0) {
      const [log] = await database.prepared<{ size: string; hasFacts: boolean }>('audit.log.waiting', WAITING);
      if (log?.hasFacts === false) return { taken: 0, size: Number(log.size) };
    }
    const progress = { addsFacts: false };
    try {
      return await database.transaction((tx) => this.#sequence(tx, limit, facts, progress));
    } catch (error) {
      // Nothing was stored, or the commit is unknown: the next batch reads the state again.
      this.#tree = TiledTree.empty();
      if (facts.length === 0 || (error instanceof ServiceError && error.code === 'SETTINGS_INVALID')) throw error;
      // A single fact with a new id violates uniqueness only when its index is taken.
      const isOfFacts = progress.addsFacts && !(error instanceof UniqueViolation && facts.length === 1);
      if (isOfFacts || (error instanceof ServiceError && error.retriable)) throw error;
      // Facts wait while the log has a fault: none is a dead letter for it.
      const reason = error instanceof ServiceError || error instanceof UniqueViolation ? error.message : 'a defect';
      throw new ServiceError('DATABASE_UNAVAILABLE', `the log could not grow: ${reason}`, true, error);
    }
  }

  async #sequence(
    tx: Transaction,
    limit: number,
    facts: readonly TrailEntry[],
    progress: { addsFacts: boolean },
  ): Promise<SequencedBatch> {
    const [state] = await tx.prepared<LogState>('audit.log.begin', BEGIN);
    if (state === undefined) throw new ServiceError('INTERNAL', 'the row of audit.log_state is missing', false);
    const size = Number(state.size);
    const started = await this.#startShard(tx, size, state.now, facts.length > 0);
    progress.addsFacts = true;
    const [moved] = await tx.prepared<{ taken: number; leaves: Buffer[] | null }>('audit.log.move', MOVE, [
      ...[size + started.length, limit, ...columnsOf(facts)],
    ]);
    progress.addsFacts = false;
    const leaves = [...started, ...(moved?.leaves ?? [])];
    const taken = (moved?.taken ?? 0) + facts.length;
    if (leaves.length === 0) return { taken, size };
    this.#checkOrigin(state.origin);
    // By the hashes: another copy may have added as many entries as a batch of this one that was rolled back.
    const isCurrent = size > 0 && state.range?.equals(this.#tree.range.serialize()) === true;
    const tree = isCurrent ? this.#tree : await restore(tx, state);
    await this.#grow(tx, size, tree, tree.append(leaves));
    this.#tree = tree;
    return { taken, size: tree.size };
  }

  /**
   * Begins the shard of the half-year before its first fact. A clock that is set back begins none again.
   * @returns the leaf of the added entry
   */
  async #startShard(tx: Transaction, size: number, now: Date, hasFacts: boolean): Promise<Buffer[]> {
    const shard = shardOf(now);
    if (this.shardStarted === undefined || shard <= this.#shard) return [];
    // After the lock is held, because another copy may have begun the shard while this one waited.
    const [last] = await tx.query<{ name: string | null; hasFacts: boolean; checkpoint: string | null }>(LAST_SHARD, [
      ...[size, hasFacts],
    ]);
    this.#shard = last?.name ?? '';
    if (shard <= this.#shard || !last?.hasFacts) return [];
    const checkpoint = last.checkpoint ?? undefined;
    const { eventId, kind, tenant, value, partitionKey, ocsfVersion } = this.shardStarted({
      shard,
      first: size,
      time: now,
      checkpoint,
    });
    const entry = [eventId, kind, tenant, value, partitionKey, ocsfVersion];
    await tx.query(START_SHARD, [shard, size, now, checkpoint ?? null, ...entry]);
    return [leafHash(value)];
  }

  async #grow(tx: Transaction, from: number, tree: TiledTree, tiles: readonly HashTile[]): Promise<void> {
    const swapped = await tx.prepared('audit.log.grow', GROW, [
      ...[from, tree.size, tree.range.serialize(), this.origin, tree.root()],
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ width }) => width),
      tiles.map(({ data }) => data),
    ]);
    if (swapped.length === 0) throw new ServiceError('DATABASE_UNAVAILABLE', 'the log has grown meanwhile', true);
  }

  /** Signatures name the origin, so a log keeps it. */
  #checkOrigin(origin: string | null): void {
    if (origin === null || origin === this.origin) return;
    throw new ServiceError('SETTINGS_INVALID', `LOG_ORIGIN must be ${origin}, the origin of the stored log`, false);
  }
}

function columnsOf(facts: readonly TrailEntry[]): unknown[] {
  return [
    facts.map((fact) => fact.eventId),
    facts.map((fact) => fact.kind),
    facts.map((fact) => fact.tenant),
    facts.map((fact) => fact.subject ?? null),
    facts.map((fact) => fact.callId ?? null),
    facts.map((fact) => fact.time),
    facts.map((fact) => fact.partitionKey),
    facts.map((fact) => fact.traceparent ?? null),
    facts.map((fact) => fact.ocsfVersion),
    facts.map((fact) => fact.counted?.variant ?? null),
    facts.map((fact) => fact.counted?.count ?? null),
    facts.map((fact) => fact.value.length),
    Buffer.concat(facts.map((fact) => fact.value)),
  ];
}

async function restore(tx: Transaction, { size, range }: LogState): Promise<TiledTree> {
  if (size === '0') return TiledTree.empty();
  const leaves = range === null ? undefined : CompactRange.parse(range);
  if (leaves?.end !== Number(size)) {
    throw new ServiceError('INTERNAL', 'the compact range in audit.log_state is not of its size', false);
  }
  const partial = partialTilesOf(leaves.end);
  const rows = await tx.query<{ hashes: Buffer }>(TILES, [
    partial.map(({ level }) => level),
    partial.map(({ index }) => index),
  ]);
  return TiledTree.restore(
    leaves,
    rows.map(({ hashes }) => hashes),
  );
}
