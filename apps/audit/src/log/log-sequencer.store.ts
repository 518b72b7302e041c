import { CompactRange, leafHash, partialTilesOf, TiledTree, type HashTile } from '@countersign/transparency-log';
import { type Database, type Transaction } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
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

/**
 * Moves facts to the entries. A fact that was delivered again while its entry was made is only deleted. Runs after the lock
 * is held, with a snapshot of its own, so it sees every entry. The counts grow by the same facts, one row per step and kind.
 */
const MOVE = `
WITH taken AS (
  DELETE FROM audit.inbox WHERE seq IN (SELECT seq FROM audit.inbox ORDER BY seq LIMIT $2) RETURNING *
), fresh AS (
  SELECT * FROM taken t WHERE NOT EXISTS (SELECT FROM audit.entries e WHERE e.event_id = t.event_id)
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
  SELECT $1::bigint + row_number() OVER (ORDER BY seq) - 1,
    event_id, kind, tenant, subject, call_id, time, value, partition_key, traceparent, ocsf_version, recorded_at
  FROM fresh
  RETURNING idx, value
)
SELECT (SELECT count(*) FROM taken)::int AS taken,
  (SELECT array_agg(sha256('\\x00'::bytea || value) ORDER BY idx) FROM added) AS leaves`;

/** $1 the size of the log */
const LAST_SHARD = `
SELECT (SELECT max(name) FROM audit.shards) AS name, EXISTS (SELECT FROM audit.inbox) AS "hasFacts",
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

  override async sequence(limit: number): Promise<SequencedBatch> {
    try {
      return await this.database.forAllTenants().transaction((tx) => this.#sequence(tx, limit));
    } catch (error) {
      // Nothing was stored, or the commit is unknown: the next batch reads the state again.
      this.#tree = TiledTree.empty();
      throw error;
    }
  }

  async #sequence(tx: Transaction, limit: number): Promise<SequencedBatch> {
    const [state] = await tx.prepared<LogState>('audit.log.begin', BEGIN);
    if (state === undefined) throw new ServiceError('INTERNAL', 'the row of audit.log_state is missing', false);
    const size = Number(state.size);
    const started = await this.#startShard(tx, size, state.now);
    const [moved] = await tx.prepared<{ taken: number; leaves: Buffer[] | null }>('audit.log.move', MOVE, [
      size + started.length,
      limit,
    ]);
    const leaves = [...started, ...(moved?.leaves ?? [])];
    const taken = moved?.taken ?? 0;
    if (leaves.length === 0) return { taken, size };
    this.#checkOrigin(state.origin);
    const tree = this.#tree.size === size && size > 0 ? this.#tree : await restore(tx, state);
    await this.#grow(tx, size, tree, tree.append(leaves));
    this.#tree = tree;
    return { taken, size: tree.size };
  }

  /**
   * Begins the shard of the half-year before its first fact. A clock that is set back begins none again.
   * @returns the leaf of the added entry
   */
  async #startShard(tx: Transaction, size: number, now: Date): Promise<Buffer[]> {
    const shard = shardOf(now);
    if (this.shardStarted === undefined || shard <= this.#shard) return [];
    // After the lock is held, because another copy may have begun the shard while this one waited.
    const [last] = await tx.query<{ name: string | null; hasFacts: boolean; checkpoint: string | null }>(LAST_SHARD, [
      size,
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
