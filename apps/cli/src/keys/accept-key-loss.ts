import { encodeMessage, INSTALLATION, factRecorded } from '@countersign/contracts';
import { Outbox, type Sql, databaseTime } from '@countersign/persistence';
import { DecryptionError, type Keyring } from '@countersign/crypto';
import { readNamesKey, removeKeyRecords } from '@countersign/stored-secrets';
import { refusedSetting } from '../terminal/refused-setting.js';
import { type Store } from '../terminal/with-store.js';
import { type Write } from '../terminal/write.js';

/** What is lost with the keys of a setting. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  IDENTIFIER_KEY:
    'every limit with its overrides starts anew, and events name callers and references otherwise than before',
  CREDENTIAL_KEYS:
    'the credentials and profiles that the lost key wrapped stay unreadable: enrol their subjects again; if it wrapped the key of the names, no subject is found by telephone number until then, and every attempt counter, lock and recognized caller starts anew',
  SEALING_PRIVATE_KEYS: 'requests that were sealed for the lost key are answered as unavailable',
  RECEIPT_KEYS: 'receipts that the lost key signed are inactive',
  CAPTURE_TOKEN_KEY: 'keypad entries that are under way, at most 5 minutes old, are refused',
};

/** Schemas that record keys, and the services that do. */
const SCHEMAS = ['verification', 'rate_limit'];

/**
 * Lets services start with another key than the one that the tables were written with. For a key that is lost for good.
 * @throws ServiceError SETTINGS_INVALID for a setting that has no recorded key, DATABASE_UNAVAILABLE
 */
export async function acceptKeyLoss({ database, keyring }: Store, setting: string, write: Write): Promise<void> {
  const consequence = CONSEQUENCES[setting];
  if (consequence === undefined) throw refusedSetting(`name one of ${Object.keys(CONSEQUENCES).join(', ')}`);
  const removed = await database.transaction(async (tx) => {
    let count = 0;
    for (const schema of SCHEMAS) {
      const [table] = await tx.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
        `${schema}.key_checks`,
      ]);
      if (table?.found) count += await removeKeyRecords(tx, schema, setting);
    }
    if (setting === 'CREDENTIAL_KEYS' && !(await opensNamesKey(tx, keyring))) {
      // Not DELETE, which a trigger refuses to everybody but a superuser.
      await tx.query('TRUNCATE verification.names_key');
      await removeKeyRecords(tx, 'verification', 'verification.names_key');
    }
    if (count === 0) return count;
    const fact = factRecorded('key.rotated', await databaseTime(tx), {
      tenant: INSTALLATION,
      detail: { setting, lost: true },
    });
    await new Outbox(database).add(tx, [encodeMessage(fact.factId, fact)]);
    return count;
  });
  if (removed === 0) throw refusedSetting(`no key of ${setting} is recorded: nothing to accept`);
  write(`The next start records the ${setting} that it is given. Accepted: ${consequence}.`);
}

async function opensNamesKey(tx: Sql, keyring: Keyring): Promise<boolean> {
  try {
    await readNamesKey(tx, keyring);
    return true;
  } catch (error) {
    if (error instanceof DecryptionError) return false;
    throw error;
  }
}
