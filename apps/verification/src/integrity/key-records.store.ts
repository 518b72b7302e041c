import { type KeyCheckValue } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { recordForeignKey, requiredKeys } from '@countersign/stored-secrets';
import { KeyRecords } from './integrity.ports.js';

/** {@link KeyRecords} in `verification.key_checks`. */
export class PostgresKeyRecords extends KeyRecords {
  constructor(private readonly database: Database) {
    super();
  }

  override recordForeign(setting: string, keys: readonly KeyCheckValue[]): Promise<boolean> {
    return recordForeignKey(this.database, setting, keys);
  }

  override required(setting: string): Promise<readonly KeyCheckValue[]> {
    return requiredKeys(this.database, setting);
  }
}
