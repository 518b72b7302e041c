import { Injectable } from '@nestjs/common';
import { type KeyCheckValue } from '@countersign/contracts';
import { Database } from '@countersign/persistence';
import { recordForeignKey, requiredKeys } from '@countersign/stored-secrets';
import { KeyRecords } from './integrity.ports.js';

/** {@link KeyRecords} in `verification.key_checks`. */
@Injectable()
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
