import { TILE_WIDTH } from '@countersign/transparency-log';
import { type Database } from '@countersign/persistence';
import { OldEntries, type DuePruning } from './retention.ports.js';

/** Entries that one statement removes; bounds how long it holds their locks. */
const BATCH_SIZE = 2_000;

/** A shard ends with the first entry of the next one; a trigger keeps its time from changing. $1 days */
const DUE = `
SELECT due.*, signed.size, signed.root
FROM (
  SELECT old.name AS shard, next.first_idx / ${TILE_WIDTH} * ${TILE_WIDTH} AS below
  FROM audit.shards next
  JOIN audit.entries e ON e.idx = next.first_idx AND e.kind = 'log.shard_started'
  CROSS JOIN LATERAL (
    SELECT name FROM audit.shards WHERE first_idx < next.first_idx ORDER BY first_idx DESC LIMIT 1
  ) old
  WHERE e.recorded_at < clock_timestamp() - make_interval(days => $1)
  ORDER BY next.first_idx DESC
  LIMIT 1
) due
CROSS JOIN LATERAL (SELECT size, root FROM audit.checkpoints WHERE size >= below ORDER BY size DESC LIMIT 1) signed
WHERE below > coalesce((SELECT max(below) FROM audit.prunings), 0)`;

/** $1 id of the event */
const FIND_STATEMENT = `
SELECT idx, EXISTS (SELECT FROM audit.checkpoints WHERE size > idx) AS "isCovered"
FROM audit.entries WHERE event_id = $1`;

/** Serializes copies: the trigger would refuse the second row of the same pruning with an error. */
const LOCK = 'LOCK TABLE audit.prunings IN SHARE ROW EXCLUSIVE MODE';

/** A trigger checks the conditions. $1 below, $2 shard, $3 index of the event */
const PERMIT = `
INSERT INTO audit.prunings (below, shard, stated_by)
SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM audit.prunings WHERE below >= $1)`;

/** The inner statement uses the primary key, and SKIP LOCKED lets copies remove different rows. $1 from, $2 rows */
const REMOVE = `
WITH removed AS (
  DELETE FROM audit.entries
  WHERE idx = ANY (ARRAY(
    SELECT idx FROM audit.entries
    WHERE idx >= $1 AND idx < (SELECT max(below) FROM audit.prunings)
    ORDER BY idx LIMIT $2 FOR UPDATE SKIP LOCKED
  ))
  RETURNING idx
)
SELECT max(idx) + 1 AS next FROM removed`;

/** {@link OldEntries} in PostgreSQL. */
export class PostgresOldEntries extends OldEntries {
  readonly #database: Pick<Database, 'query' | 'transaction'>;

  constructor(database: Database) {
    super();
    this.#database = database.forAllTenants();
  }

  override async due(days: number): Promise<DuePruning | undefined> {
    type Row = { shard: string; below: string; size: string; root: Buffer };
    const [row] = await this.#database.query<Row>(DUE, [days]);
    return row && { shard: row.shard, below: Number(row.below), size: Number(row.size), root: row.root };
  }

  override async permit(
    { below, shard }: DuePruning,
    eventId: string,
  ): Promise<'not logged' | 'not covered' | 'permitted'> {
    const [statement] = await this.#database.query<{ idx: string; isCovered: boolean }>(FIND_STATEMENT, [eventId]);
    if (statement === undefined) return 'not logged';
    if (!statement.isCovered) return 'not covered';
    await this.#database.transaction(async (tx) => {
      await tx.query(LOCK);
      await tx.query(PERMIT, [below, shard, statement.idx]);
    });
    return 'permitted';
  }

  override async remove(from: number): Promise<number | undefined> {
    const [row] = await this.#database.query<{ next: string | null }>(REMOVE, [from, BATCH_SIZE]);
    return row?.next === null || row === undefined ? undefined : Number(row.next);
  }
}
