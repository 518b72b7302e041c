import { randomBytes } from 'node:crypto';
import { type Database, type Sql } from '@countersign/persistence';
import { KEY_BYTES, KeyedHash, Secret, type Keyring } from '@countersign/crypto';
import { NAMES_KEY_CONTEXT } from './wrapped-columns.js';

/**
 * Opens the names key: the tables of verification name references, telephone numbers, callers and commands by hashes under it.
 * The first start creates it and it never changes, so attempt counters and the ledger keep their names while `IDENTIFIER_KEY`
 * is rotated. The keyring encrypts it, and no other service has it.
 * @throws ServiceError DATABASE_UNAVAILABLE; DecryptionError if the keyring cannot decrypt it
 */
export async function openNamesKey(database: Database, keyring: Keyring): Promise<KeyedHash> {
  const found = await readNamesKey(database, keyring);
  if (found !== undefined) return found;
  const { keyId, bytes } = keyring.wrap(randomBytes(KEY_BYTES).toString('base64url'), NAMES_KEY_CONTEXT);
  // Of copies that start at the same time, the first one inserts its key.
  await database.query(
    'INSERT INTO verification.names_key (key_id, wrapped) VALUES ($1, $2) ON CONFLICT (single) DO NOTHING',
    [keyId, bytes],
  );
  const created = await readNamesKey(database, keyring);
  if (created === undefined) throw new Error('the names key is not in its table');
  return created;
}

/** Undefined if there is no names key yet. @throws as {@link openNamesKey} */
export async function readNamesKey(sql: Sql, keyring: Keyring): Promise<KeyedHash | undefined> {
  const [row] = await sql.query<{ key_id: string; wrapped: Buffer }>(
    'SELECT key_id, wrapped FROM verification.names_key',
  );
  if (row === undefined) return undefined;
  const key = keyring.unwrap({ keyId: row.key_id, bytes: row.wrapped }, NAMES_KEY_CONTEXT);
  return new KeyedHash(new Secret(key));
}

/**
 * Proves that this service assigned a number to this version of a subject. A number that was moved to another subject, or
 * restored from an older state, does not have this tag.
 * @param phoneKey keyed hash of the number
 */
export function phoneTag(hash: KeyedHash, tenant: string, phoneKey: string, subject: string, version: number): string {
  return hash.hash('subject-phone', tenant, phoneKey, subject, String(version));
}
