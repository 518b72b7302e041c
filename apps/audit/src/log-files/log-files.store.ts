import { Injectable } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { HASH_BYTES, TILE_WIDTH } from '@countersign/transparency-log';
import { LogFiles, type LogFileName, type LogState } from './log-files.ports.js';

const LAST_CHECKPOINT = 'SELECT size, note FROM audit.checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1';
// A stored tile may be wider than the named one, which is then its prefix.
const TILE = `SELECT substring(hashes FOR $3) AS hashes FROM audit.tiles
WHERE level = $1 AND tile_index = $2 AND width * ${HASH_BYTES} >= $3`;

const ENTRIES = 'SELECT value FROM audit.entries WHERE idx >= $1 AND idx < $2 ORDER BY idx';
/** A missing range of the topic counts once for each of its entries. Row-level security hides those of other tenants. */
const STATE = `
SELECT s.size, c.size AS "signedSize", c.signed_at AS "signedAt", c.note,
  (SELECT compared_until FROM audit.comparisons WHERE pass = 'live') AS "comparedUntil",
  (
    SELECT coalesce(json_object_agg(difference, count), '{}')
    FROM (
      SELECT difference, sum(CASE WHEN counted_at IS NULL THEN coalesce(number, 1) ELSE 1 END) AS count
      FROM audit.differences WHERE accepted_at IS NULL GROUP BY difference
    ) counted
  ) AS differences
FROM audit.log_state s
LEFT JOIN LATERAL (SELECT * FROM audit.checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1) c ON true`;

interface StateRow {
  readonly size: string;
  readonly signedSize: string | null;
  readonly signedAt: Date | null;
  readonly note: string | null;
  readonly comparedUntil: Date | null;
  readonly differences: Readonly<Record<string, number>>;
}

const PRUNED_BELOW = 'SELECT max(below) AS below FROM audit.prunings';

/** The files of the log in PostgreSQL. */
@Injectable()
export class PostgresLogFiles extends LogFiles {
  constructor(private readonly database: Database) {
    super();
  }

  override async checkpoint(): Promise<{ readonly size: number; readonly note: string } | undefined> {
    const [last] = await this.database.prepared<{ size: string; note: string }>(
      'audit.last-checkpoint',
      LAST_CHECKPOINT,
    );
    return last && { size: Number(last.size), note: last.note };
  }

  override async tile({ level, index, width }: LogFileName): Promise<Buffer | undefined> {
    const values = [level, index, width * HASH_BYTES];
    const [row] = await this.database.prepared<{ hashes: Buffer }>('audit.log-tile', TILE, values);
    return row?.hashes;
  }

  override async entries({ index, width }: LogFileName): Promise<Buffer[]> {
    const first = index * TILE_WIDTH;
    const rows = await this.database
      .forAllTenants()
      .prepared<{ value: Buffer }>('audit.log-entries', ENTRIES, [first, first + width]);
    return rows.map(({ value }) => value);
  }

  override async state(tenant: string | undefined): Promise<LogState> {
    const visible = tenant === undefined ? this.database.forAllTenants() : this.database.forTenants([tenant]);
    const [row] = await visible.prepared<StateRow>('audit.log-state', STATE);
    const { signedSize = null, signedAt = null, note = null } = row ?? {};
    const isSigned = signedSize !== null && signedAt !== null && note !== null;
    return {
      size: Number(row?.size ?? 0),
      checkpoint: isSigned ? { size: Number(signedSize), signedAt, note } : undefined,
      comparedUntil: row?.comparedUntil ?? undefined,
      differences: Object.entries(row?.differences ?? {}).map(([difference, count]) => ({ difference, count })),
    };
  }

  override async prunedBelow(): Promise<number> {
    const [row] = await this.database.prepared<{ below: string }>('audit.pruned-below', PRUNED_BELOW);
    return Number(row?.below ?? 0);
  }
}
