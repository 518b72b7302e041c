import { EvidenceError, TileReader, type TileCoordinates } from '@countersign/transparency-log';
import { type Sql } from '@countersign/persistence';

const READ = 'SELECT hashes FROM audit.tiles WHERE level = $1 AND tile_index = $2';

/** The stored tiles. A stored tile may be wider than the requested one, which is its prefix. */
export class PostgresTiles extends TileReader {
  constructor(private readonly sql: Sql) {
    super();
  }

  override async readTile({ level, index }: TileCoordinates): Promise<Buffer> {
    const [row] = await this.sql.prepared<{ hashes: Buffer }>('audit.tile', READ, [level, index]);
    if (row === undefined) throw new EvidenceError(`tile ${index} of level ${level} is missing`);
    return row.hashes;
  }
}
