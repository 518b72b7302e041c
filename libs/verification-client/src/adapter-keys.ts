import { type SettingKeys } from '@countersign/contracts';
import { KeyedHash, PayloadSealer, ReceiptPublicKeys, type Secret } from '@countersign/crypto';
import { allSettings, parseSetting } from '@countersign/runtime';

/** The settings that hold the keys of every adapter. */
export interface AdapterKeySettings {
  readonly IDENTIFIER_KEY: Secret;
  readonly SEALING_PUBLIC_KEYS: string;
  readonly RECEIPT_PUBLIC_KEYS: string;
}

/** The keys with which an adapter hashes names, encrypts submitted secrets and verifies answers. */
export class AdapterKeys {
  private constructor(
    /** Of IDENTIFIER_KEY. */
    readonly hash: KeyedHash,
    readonly sealer: PayloadSealer,
    readonly receiptKeys: ReceiptPublicKeys,
  ) {}

  /** @throws ServiceError SETTINGS_INVALID that names the setting and not its value */
  static async read(settings: AdapterKeySettings): Promise<AdapterKeys> {
    const { IDENTIFIER_KEY, SEALING_PUBLIC_KEYS, RECEIPT_PUBLIC_KEYS } = settings;
    const keys = await allSettings([
      parseSetting('IDENTIFIER_KEY', () => new KeyedHash(IDENTIFIER_KEY)),
      parseSetting('SEALING_PUBLIC_KEYS', () => PayloadSealer.fromKeySet(SEALING_PUBLIC_KEYS)),
      parseSetting('RECEIPT_PUBLIC_KEYS', () => ReceiptPublicKeys.fromPublicKeySet(RECEIPT_PUBLIC_KEYS)),
    ]);
    return new AdapterKeys(...keys);
  }

  /** What `KeyComparison` compares with verification. */
  get checks(): SettingKeys[] {
    return [
      { setting: 'IDENTIFIER_KEY', keys: this.hash.checks },
      { setting: 'SEALING_PUBLIC_KEYS', keys: [this.sealer.check] },
      { setting: 'RECEIPT_PUBLIC_KEYS', keys: this.receiptKeys.checks },
    ];
  }
}
