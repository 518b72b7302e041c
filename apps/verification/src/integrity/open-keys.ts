import { KeyedHash, Keyring, PayloadOpener, ReceiptKeys } from '@countersign/crypto';
import { type Database } from '@countersign/persistence';
import { parseSetting } from '@countersign/runtime';
import { keyFault, NAMES_KEY_SETTING, openNamesKey, recordKeys } from '@countersign/stored-secrets';
import { type VerificationSettings } from '../verification.settings.js';

/** The keys of the settings. */
export interface VerificationKeys {
  readonly keyring: Keyring;
  readonly opener: PayloadOpener;
  /** Of IDENTIFIER_KEY. */
  readonly eventNames: KeyedHash;
  readonly receiptKeys: ReceiptKeys;
}

/** @throws ServiceError SETTINGS_INVALID */
export async function readKeys(settings: VerificationSettings): Promise<VerificationKeys> {
  return {
    keyring: await parseSetting('CREDENTIAL_KEYS', () => new Keyring(settings.CREDENTIAL_KEYS)),
    opener: await parseSetting('SEALING_PRIVATE_KEYS', () => PayloadOpener.fromKeySet(settings.SEALING_PRIVATE_KEYS)),
    eventNames: await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY)),
    receiptKeys: await parseSetting('RECEIPT_KEYS', () => ReceiptKeys.fromKeySet(settings.RECEIPT_KEYS)),
  };
}

/**
 * Compares the keys with those of the stored data and opens the key of the tables. A service that could not decrypt its data
 * would answer every correct PIN with `unavailable`, so it must not start.
 * @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE
 */
export async function openTableNames(
  database: Database,
  { keyring, opener, eventNames, receiptKeys }: VerificationKeys,
): Promise<KeyedHash> {
  const fault = await keyFault(database.forAllTenants(), keyring);
  if (fault !== undefined) await parseSetting('CREDENTIAL_KEYS', () => Promise.reject(new Error(fault)));
  const names = await openNamesKey(database, keyring);
  const other = await recordKeys(database, [
    { setting: 'IDENTIFIER_KEY', keys: eventNames.checks, names: true },
    { setting: 'CREDENTIAL_KEYS', keys: keyring.checks, names: false },
    { setting: 'SEALING_PRIVATE_KEYS', keys: opener.checks, names: false },
    { setting: 'RECEIPT_KEYS', keys: receiptKeys.checks, names: false },
    { setting: NAMES_KEY_SETTING, keys: names.checks, names: true },
  ]);
  if (other !== undefined) await parseSetting(other.setting, () => Promise.reject(new Error(other.rule)));
  return names;
}
