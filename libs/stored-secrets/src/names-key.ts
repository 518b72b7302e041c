import { randomBytes } from 'node:crypto';
import { type Database, type Sql } from '@countersign/persistence';
import { KEY_BYTES, KeyedHash, Secret, type Keyring } from '@countersign/crypto';
import { NAMES_KEY_CONTEXT } from './wrapped-columns.js';

/**
 * Opens the key under which the tables of verification name references, telephone numbers, callers and commands. It is made at
 * the first start and never changes: attempt counters and the ledger keep their names while `IDENTIFIER_KEY` is rotated. It is
 * wrapped by the keyring, which can be rotated, and no other service has it.
 * @throws ServiceError DATABASE_UNAVAILABLE; SealBrokenError when the keyring does not open it
 */
export async function openNamesKey(database: Database, keyring: Keyring): Promise<KeyedHash> {
  const found = await readNamesKey(database, keyring);
  if (found !== undefined) return found;
  const { keyId, bytes } = keyring.wrap(randomBytes(KEY_BYTES).toString('base64url'), NAMES_KEY_CONTEXT);
  // Copies that start at once: the first one has made it.
  await database.query(
    'INSERT INTO verification.names_key (key_id, wrapped) VALUES ($1, $2) ON CONFLICT (single) DO NOTHING',
    [keyId, bytes],
  );
  const made = await readNamesKey(database, keyring);
  if (made === undefined) throw new Error('the key of the names is not in its table');
  return made;
}

/** Undefined: no service has started on these tables. @throws as {@link openNamesKey} */
export async function readNamesKey(sql: Sql, keyring: Keyring): Promise<KeyedHash | undefined> {
  const [row] = await sql.query<{ key_id: string; wrapped: Buffer }>(
    'SELECT key_id, wrapped FROM verification.names_key',
  );
  if (row === undefined) return undefined;
  const key = keyring.unwrap({ keyId: row.key_id, bytes: row.wrapped }, NAMES_KEY_CONTEXT);
  return new KeyedHash(new Secret(key));
}

/**
 * Proves that this service gave a number to a subject, in the version of the subject that is in force: a number that was
 * moved to another subject, or taken from an older state, has another tag.
 * @param phoneKey keyed hash of the number
 */
export function phoneTag(hash: KeyedHash, tenant: string, phoneKey: string, subject: string, version: number): string {
  return hash.hash('subject-phone', tenant, phoneKey, subject, String(version));
}
