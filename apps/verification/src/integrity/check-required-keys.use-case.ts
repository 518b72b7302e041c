import { type KeyCheckValue } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type KeyRecords } from './integrity.ports.js';

const SETTING = 'IDENTIFIER_KEY';

/**
 * Checks that this process has every key that `countersign keys rekey` made required while services run. Without one of them,
 * every attempt would be `unavailable` once the adapters use that key alone.
 */
export class CheckRequiredKeys {
  /** @param fatal ends the process; a start with the missing key repairs it */
  constructor(
    private readonly records: KeyRecords,
    private readonly held: readonly KeyCheckValue[],
    private readonly fatal: (error: Error) => void,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async check(): Promise<void> {
    const required = await this.records.required(SETTING);
    const missing = required.find(({ keyId }) => !this.held.some((key) => key.keyId === keyId));
    if (missing === undefined) return;
    this.fatal(new ServiceError('SETTINGS_INVALID', `${SETTING} must hold the key ${missing.keyId}`, false));
  }
}
