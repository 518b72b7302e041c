import { Injectable } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { HASH_BYTES, TILE_WIDTH } from '@countersign/transparency-log';
import { LogFiles, type LogFileName } from './log-files.ports.js';

const LAST_CHECKPOINT = 'SELECT size, note FROM audit.checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1';
// A stored tile may be wider than the named one, which is then its prefix.
const TILE = `SELECT substring(hashes FOR $3) AS hashes FROM audit.tiles
WHERE level = $1 AND tile_index = $2 AND width * ${HASH_BYTES} >= $3`;

const ENTRIES = 'SELECT value FROM audit.entries WHERE idx >= $1 AND idx < $2 ORDER BY idx';
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

  override async prunedBelow(): Promise<number> {
    const [row] = await this.database.prepared<{ below: string }>('audit.pruned-below', PRUNED_BELOW);
    return Number(row?.below ?? 0);
  }
}
