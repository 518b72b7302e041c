import { type HeldKey } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { recordForeignKey, requiredKeys } from '@countersign/stored-secrets';
import { KeyRecords } from '../ports.js';

/** {@link KeyRecords} in `verification.key_checks`. */
export class PostgresKeyRecords extends KeyRecords {
  constructor(private readonly database: Database) {
    super();
  }

  override recordForeign(setting: string, keys: readonly HeldKey[]): Promise<boolean> {
    return recordForeignKey(this.database, setting, keys);
  }

  override required(setting: string): Promise<readonly HeldKey[]> {
    return requiredKeys(this.database, setting);
  }
}
