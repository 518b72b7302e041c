import { DecryptionError, type KeyCheck } from '@countersign/crypto';
import { type Sql } from '@countersign/persistence';
import {
  countKeyUse,
  lockKeyRecords,
  NAMES_KEY_SETTING,
  readNamesKey,
  recordKeyEvent,
  recordedKeyFault,
  removeKeyRecords,
  schemasWithKeys,
} from '@countersign/stored-secrets';
import { type Store } from '../terminal/with-store.js';
import { refusedSetting, type Write } from '../terminal/terminal.js';

/** What is lost with the keys of a setting. */
const LOSSES: Readonly<Record<string, string>> = {
  IDENTIFIER_KEY: 'every limit and every override of a limit; events name callers and subjects by new hashes',
  CREDENTIAL_KEYS:
    'the credentials, and the profiles with keys that it encrypted: their subjects must be enrolled again',
  SEALING_PRIVATE_KEYS: 'requests that were encrypted for it: they are answered with unavailable',
  RECEIPT_KEYS: 'receipts that it signed: they are inactive',
  WEBHOOK_KEYS: 'the signing secret of every webhook: remove the webhooks and create them again',
  AUDIT_KEYS: 'the personal fields of all events that name a subject',
  CAPTURE_TOKEN_KEY: 'keypad entries of the last 5 minutes: they are refused',
};
const NAMES_KEY_LOSS = 'every attempt counter, lock, recognized caller and stored telephone number';

/** The services that record keys, by schema. */
const SERVICES: Readonly<Record<string, string>> = {
  verification: 'verification',
  rate_limit: 'rate-limit',
  webhooks: 'webhooks',
  audit: 'audit',
};

/**
 * Lets services start with another key than the one that the tables were written with. For a key that is lost for good.
 * States the loss first. Each removal records an event `key.rotated` in the same transaction.
 * @param options yes: accept the loss; otherwise nothing is changed
 * @throws ServiceError SETTINGS_INVALID when nothing is recorded, the loss is not accepted, or a service runs;
 * DATABASE_UNAVAILABLE
 */
export async function acceptKeyLoss(
  store: Store,
  setting: string,
  options: { readonly yes?: true },
  write: Write,
): Promise<void> {
  const loss = LOSSES[setting];
  if (loss === undefined) throw refusedSetting(`name one of ${Object.keys(LOSSES).join(', ')}`);
  await store.database.transaction(async (tx) => {
    const schemas = await schemasWithKeys(tx);
    // A service that starts now waits for this lock, so it cannot record keys that are removed here.
    for (const schema of schemas) await lockKeyRecords(tx, schema);
    let removed = 0;
    for (const schema of schemas) removed += await removeKeyRecords(tx, schema, setting);
    const isNamesKeyLost = setting === 'CREDENTIAL_KEYS' && (await hasLostNamesKey(tx, store));
    if (removed === 0 && !isNamesKeyLost) throw refusedSetting(`no key of ${setting} is recorded: nothing to accept`);
    write(`With ${setting} is lost: ${loss}.`);
    if (isNamesKeyLost) write(`The names key, which it encrypted, is lost too, and with it ${NAMES_KEY_LOSS}.`);
    if (setting === 'CREDENTIAL_KEYS') await stateUnreadableRows(tx, store, write);
    // An error rolls the removal back.
    if (!options.yes) throw refusedSetting('Nothing was changed. To accept the loss, add --yes.');
    const running = await runningServices(tx, schemas);
    if (running.length > 0)
      throw refusedSetting(`Nothing was changed. First stop every copy of ${running.join(' and ')}.`);
    if (isNamesKeyLost) {
      // A trigger refuses DELETE, except to a superuser.
      await tx.query('TRUNCATE verification.names_key');
      await removeKeyRecords(tx, 'verification', NAMES_KEY_SETTING);
    }
    await recordKeyEvent(tx, store.database, { setting, lost: true, ...(isNamesKeyLost && { namesKey: true }) });
  });
  write(`Accepted. The next start records the ${setting} that it is given.`);
}

/**
 * Whether the names key cannot be opened, or is not the recorded one. After its row was removed, a start makes another key
 * and refuses it, so a key that opens proves nothing.
 */
async function hasLostNamesKey(tx: Sql, { keyring }: Store): Promise<boolean> {
  let held: readonly KeyCheck[] = [];
  try {
    held = (await readNamesKey(tx, keyring))?.checks ?? [];
  } catch (error) {
    if (error instanceof DecryptionError) return true;
    throw error;
  }
  const fault = await recordedKeyFault(tx, 'verification', [{ setting: NAMES_KEY_SETTING, keys: held, names: true }]);
  return fault !== undefined;
}

/** verification does not start while rows need a key that its keyring lacks. */
async function stateUnreadableRows(tx: Sql, { keyring }: Store, write: Write): Promise<void> {
  for (const { column, keyId, rows } of await countKeyUse(tx)) {
    if (keyring.has(keyId) || column === 'names key') continue;
    write(`${rows} ${column} need the key ${keyId}, and verification does not start before they are removed.`);
  }
}

/** The services with a connection to this database. Each polls its outbox every second, so it always has one. */
async function runningServices(tx: Sql, schemas: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ service: string }>(
    `SELECT DISTINCT s AS service FROM unnest($1::text[]) AS s JOIN pg_stat_activity ON application_name = 'countersign ' || s
     WHERE datname = current_database() ORDER BY 1`,
    [schemas.map((schema) => SERVICES[schema])],
  );
  return rows.map(({ service }) => service);
}
