import {
  KeysCompared,
  message,
  type KeyCheckValue,
  type KeyComparisonRequested,
  type SettingKeys,
} from '@countersign/contracts';
import { type KeyRecords } from './integrity.ports.js';

/** The keys that a setting of an adapter is compared with. */
interface Counterpart {
  /** Keys of verification: the other half of a pair, or the same key. */
  readonly keys: readonly KeyCheckValue[];
  /** `sends`: verification must have the key that the adapter uses. `receives`: the adapter must have the key in use here. */
  readonly direction: 'sends' | 'receives';
}

/** The keys of verification, by the setting of the adapters that must match them. */
export type Counterparts = Readonly<Record<string, Counterpart>>;

/**
 * Returns the settings of an adapter with keys that do not match those of verification. An adapter that encrypts for another
 * key gets `unavailable` for every attempt. One with another IDENTIFIER_KEY would use counters of its own.
 */
export class CompareKeys {
  /**
   * @param shared settings whose keys adapters must hold as well, as far as they are required: see `requiredKeys`
   * @param foreign settings that only adapters have, which must be the same in all of their replicas
   */
  constructor(
    private readonly own: Counterparts,
    private readonly shared: readonly string[],
    private readonly foreign: readonly string[],
    private readonly records: KeyRecords,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async compare({ commandId, settings }: KeyComparisonRequested): Promise<KeysCompared> {
    return message(KeysCompared, { commandId, mismatches: await this.mismatches(settings) });
  }

  /** The settings with keys that do not match. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async mismatches(settings: readonly SettingKeys[]): Promise<string[]> {
    const mismatches: string[] = [];
    for (const { setting, keys } of settings) {
      if (!(await this.#fits(setting, keys))) mismatches.push(setting);
    }
    return mismatches;
  }

  async #fits(setting: string, keys: readonly KeyCheckValue[]): Promise<boolean> {
    const own = this.own[setting];
    if (own !== undefined) {
      const [users, holders] = own.direction === 'sends' ? [keys, own.keys] : [own.keys, keys];
      return holders.some(({ keyId, value }) => keyId === users[0]?.keyId && value === users[0].value);
    }
    if (this.shared.includes(setting)) {
      const required = await this.records.required(setting);
      return required.every((one) => keys.some(({ keyId, value }) => keyId === one.keyId && value === one.value));
    }
    // Settings that this version does not know are not compared.
    return !this.foreign.includes(setting) || this.records.recordForeign(setting, keys);
  }
}
