import { type Method } from '@countersign/contracts';
import { type Keyring } from '@countersign/crypto';
import { type Sql } from '@countersign/persistence';
import { recognizedCallerContext } from '@countersign/stored-secrets';
import { OWN_KEY, ProfileVault, type StoredProfile } from './profiles/profile-vault.store.js';
import { type NewRecognizedCaller, type RecognizedCaller } from './subject-state.decision.js';

type StoredKey = Pick<StoredProfile, 'subject_id' | 'own_key_id' | 'own_key'>;

/** A recognized caller as stored: the keyed hash, and what was sealed, in hexadecimal; null: recognized before it was stored. */
export interface StoredCaller {
  readonly caller: string;
  readonly sealed: string | null;
}

const FIND_KEY = `
SELECT subject_id, key_id AS own_key_id, wrapped AS own_key
FROM verification.subject_keys
WHERE tenant = $1 AND subject_id = $2`;

/** Removes what is stored of the recognized callers of a credential. $1 tenant, $2 subject, $3 kind */
export const REMOVE_SEALED_CALLERS = `
DELETE FROM verification.recognized_callers
WHERE tenant = $1 AND subject_id = $2 AND kind = $3`;

/** Encrypts what operators see of recognized callers, under the key of the subject: an erasure destroys it in backups too. */
export class CallerVault {
  readonly #keys: ProfileVault;

  constructor(keyring: Keyring) {
    this.#keys = new ProfileVault(keyring);
  }

  /** @returns hexadecimal; undefined if the subject has no readable key */
  async seal(sql: Sql, tenant: string, subject: string, caller: NewRecognizedCaller): Promise<string | undefined> {
    const [row] = await sql.query<StoredKey>(FIND_KEY, [tenant, subject]);
    const key = row && this.#keyOf(tenant, row);
    const { callerTail, firstVerifiedAt, method } = caller;
    const context = recognizedCallerContext(tenant, subject, method, caller.caller);
    return key?.wrap(JSON.stringify({ callerTail, firstVerifiedAt }), context).bytes.toString('hex');
  }

  /** What does not decrypt is left out, because it decides nothing. */
  open(tenant: string, row: StoredKey, method: Method, callers: readonly StoredCaller[]): RecognizedCaller[] {
    const key = callers.some(({ sealed }) => sealed !== null) ? this.#keyOf(tenant, row) : undefined;
    return callers.map(({ caller, sealed }) => {
      if (key === undefined || sealed === null) return {};
      const stored = { keyId: OWN_KEY, bytes: Buffer.from(sealed, 'hex') };
      try {
        const context = recognizedCallerContext(tenant, row.subject_id, method, caller);
        return JSON.parse(key.unwrap(stored, context)) as RecognizedCaller;
      } catch {
        return {};
      }
    });
  }

  #keyOf(tenant: string, row: StoredKey): Keyring | undefined {
    try {
      return this.#keys.keyOf(tenant, row);
    } catch {
      return undefined;
    }
  }
}
