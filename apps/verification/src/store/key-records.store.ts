import { type HeldKey } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { recordForeignKey } from '@countersign/stored-secrets';
import { KeyRecords } from '../ports.js';

/** {@link KeyRecords} in `verification.key_checks`. */
export class PostgresKeyRecords extends KeyRecords {
  constructor(private readonly database: Database) {
    super();
  }

  override recordForeign(setting: string, keys: readonly HeldKey[]): Promise<boolean> {
    return recordForeignKey(this.database, setting, keys);
  }
}
