import { EMPTY_ROOT, EvidenceError } from '@countersign/transparency-log';
import { type Sql } from '@countersign/persistence';
import { settingsInvalid } from '@countersign/runtime';
import { LogRefused } from './refusal.js';
import { LogReader, type TileName, type TreeHead } from './signing.ports.js';

/** The size that the sequencer compares and swaps, with the head of that size. */
const HEAD = `SELECT s.size, s.origin, h.root FROM audit.log_state s LEFT JOIN audit.tree_heads h ON h.size = s.size`;
const TILE = 'SELECT hashes FROM audit.tiles WHERE level = $1 AND tile_index = $2';

/** Reads the log in PostgreSQL, with a role that can only read its heads and tiles. */
export class PostgresLogReader extends LogReader {
  constructor(
    private readonly sql: Sql,
    private readonly origin: string,
  ) {
    super();
  }

  /** @throws ServiceError SETTINGS_INVALID when the log has another origin */
  override async head(): Promise<TreeHead> {
    const [row] = await this.sql.prepared<{ size: string; origin: string | null; root: Buffer | null }>(
      'log-signer.head',
      HEAD,
    );
    if (row === undefined) throw new LogRefused('damaged', 'the state of the log is missing');
    if (row.origin !== null && row.origin !== this.origin)
      throw settingsInvalid([`LOG_ORIGIN must be ${row.origin}, with which the log has begun`]);
    const size = Number(row.size);
    if (size === 0) return { size, root: EMPTY_ROOT };
    if (row.root === null) throw new LogRefused('damaged', `the head of the ${size} entries is missing`, { size });
    return { size, root: row.root };
  }

  override async readTile({ level, index }: TileName): Promise<Buffer> {
    const [row] = await this.sql.prepared<{ hashes: Buffer }>('log-signer.tile', TILE, [level, index]);
    if (row === undefined) throw new EvidenceError(`tile ${index} of level ${level} is missing`);
    return row.hashes;
  }
}
