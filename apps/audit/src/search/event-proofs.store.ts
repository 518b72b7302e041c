import { Injectable } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { inclusionProof } from '@countersign/transparency-log';
import { PostgresTiles } from '../log/tiles.store.js';
import { EventProofs, type InclusionProof } from './search.ports.js';

const LAST_CHECKPOINT = 'SELECT size, note FROM audit.checkpoints ORDER BY size DESC, signed_at DESC LIMIT 1';

/** Proofs from the stored tiles, for the last signed checkpoint. */
@Injectable()
export class PostgresEventProofs extends EventProofs {
  constructor(private readonly database: Database) {
    super();
  }

  override async prove(index: number): Promise<InclusionProof | undefined> {
    const [last] = await this.database.prepared<{ size: string; note: string }>('audit.checkpoint', LAST_CHECKPOINT);
    const size = Number(last?.size ?? 0);
    if (last === undefined || index >= size) return undefined;
    const hashes = await inclusionProof(index, size, new PostgresTiles(this.database));
    return { size, hashes, checkpoint: last.note };
  }
}
