import { type KeyCheckValue } from '@countersign/contracts';

/** Check values of keys, those that only adapters have included. */
export abstract class KeyRecords {
  /** Whether the recorded key is one of these, or none was recorded; see `recordForeignKey`. @throws ServiceError retriable */
  abstract recordForeign(setting: string, keys: readonly KeyCheckValue[]): Promise<boolean>;
  /** The keys of a setting that every process must have. @throws ServiceError retriable */
  abstract required(setting: string): Promise<readonly KeyCheckValue[]>;
}
