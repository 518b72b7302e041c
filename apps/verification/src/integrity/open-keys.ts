import { KeyedHash, Keyring, PayloadOpener, ReceiptKeys } from '@countersign/crypto';
import { type Database } from '@countersign/persistence';
import { allSettings, parseSetting, settingsInvalid } from '@countersign/runtime';
import {
  keyFault,
  NAMES_KEY_SETTING,
  openNamesKey,
  readNamesKey,
  recordedKeyFaults,
  recordKeys,
  type ConfiguredKeys,
  type KeyFault,
} from '@countersign/stored-secrets';
import { type VerificationSettings } from '../verification.settings.js';
import { type Counterparts } from './compare-keys.use-case.js';

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
  const [keyring, opener, eventNames, receiptKeys] = await allSettings([
    parseSetting('CREDENTIAL_KEYS', () => new Keyring(settings.CREDENTIAL_KEYS)),
    parseSetting('SEALING_PRIVATE_KEYS', () => PayloadOpener.fromKeySet(settings.SEALING_PRIVATE_KEYS)),
    parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY)),
    parseSetting('RECEIPT_KEYS', () => ReceiptKeys.fromKeySet(settings.RECEIPT_KEYS)),
  ]);
  return { keyring, opener, eventNames, receiptKeys };
}

/**
 * Compares the keys with those of the stored data and opens the key of the tables. A service that could not decrypt its data
 * would answer every correct PIN with `unavailable`, so it must not start.
 * @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE
 */
export async function openTableNames(database: Database, keys: VerificationKeys): Promise<KeyedHash> {
  const fault = await keyFault(database.forAllTenants(), keys.keyring);
  if (fault !== undefined) throw settingsInvalid([`CREDENTIAL_KEYS ${fault}`]);
  const names = await openNamesKey(database, keys.keyring);
  const other = await recordKeys(database, configuredKeys(keys, names));
  if (other !== undefined) throw settingsInvalid([`${other.setting} ${other.rule}`]);
  return names;
}

/**
 * Compares the keys with those of the stored data as {@link openTableNames} does, and changes nothing.
 * @returns every fault
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function storedKeyFaults(database: Database, keys: VerificationKeys): Promise<KeyFault[]> {
  const fault = await keyFault(database.forAllTenants(), keys.keyring);
  if (fault !== undefined) return [{ setting: 'CREDENTIAL_KEYS', rule: fault }];
  const names = await readNamesKey(database, keys.keyring);
  return recordedKeyFaults(database, database.schema, configuredKeys(keys, names));
}

/** @param names the names key; undefined: the first start has not created it yet */
function configuredKeys(
  { keyring, opener, eventNames, receiptKeys }: VerificationKeys,
  names: KeyedHash | undefined,
): ConfiguredKeys[] {
  return [
    { setting: 'IDENTIFIER_KEY', keys: eventNames.checks, names: true },
    { setting: 'CREDENTIAL_KEYS', keys: keyring.checks, names: false },
    { setting: 'SEALING_PRIVATE_KEYS', keys: opener.checks, names: false },
    { setting: 'RECEIPT_KEYS', keys: receiptKeys.checks, names: false },
    { setting: NAMES_KEY_SETTING, keys: names?.checks ?? [], names: true },
  ];
}

/** The keys of verification that those of adapters must match. */
export function comparedKeys({ opener, receiptKeys }: Pick<VerificationKeys, 'opener' | 'receiptKeys'>): Counterparts {
  return {
    SEALING_PUBLIC_KEYS: { keys: opener.checks, direction: 'sends' },
    RECEIPT_PUBLIC_KEYS: { keys: receiptKeys.checks, direction: 'receives' },
  };
}

/** Settings of adapters that hold a key of verification, as far as it is required. */
export const SHARED_KEYS = ['IDENTIFIER_KEY'];
/** Settings that only adapters have, with the same key in all of their copies. */
export const FOREIGN_KEYS = ['CAPTURE_TOKEN_KEY'];
