import { type Database } from '@countersign/persistence';
import { rootFromTiles } from '@countersign/transparency-log';
import { PostgresTiles } from '../log/tiles.store.js';
import { Checkpoints, type AcceptedCheckpoint } from './checkpoints.ports.js';

const SIZE = 'SELECT size FROM audit.log_state';
const NEWEST = 'SELECT size, signed_at, note FROM audit.checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1';
const STORE = `INSERT INTO audit.checkpoints (size, signed_at, root, note) VALUES ($1, $2, $3, $4)
ON CONFLICT (size, signed_at) DO NOTHING`;

/** The checkpoints in PostgreSQL. */
export class PostgresCheckpoints extends Checkpoints {
  constructor(private readonly database: Database) {
    super();
  }

  override async size(): Promise<number> {
    const [state] = await this.database.prepared<{ size: string }>('audit.log-size', SIZE);
    return Number(state?.size ?? 0);
  }

  override root(size: number): Promise<Buffer> {
    return rootFromTiles(size, new PostgresTiles(this.database));
  }

  override async newest(): Promise<Omit<AcceptedCheckpoint, 'root'> | undefined> {
    type Row = { size: string; signed_at: Date; note: string };
    const [newest] = await this.database.prepared<Row>('audit.checkpoint.newest', NEWEST);
    return newest && { size: Number(newest.size), signedAt: newest.signed_at, note: newest.note };
  }

  override async store({ size, signedAt, root, note }: AcceptedCheckpoint): Promise<void> {
    await this.database.prepared('audit.checkpoint.store', STORE, [size, signedAt, root, note]);
  }
}
