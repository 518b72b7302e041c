import { randomBytes, randomUUID } from 'node:crypto';
import { type Sql } from '@countersign/persistence';
import { Keyring, Secret, type WrappedValue } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { profileContext, subjectKeyContext } from '@countersign/stored-secrets';
import { type Profile } from './profile.decision.js';

/** A profile as stored: encrypted under the key of the subject, which is null if it is missing. */
export interface StoredProfile {
  readonly subject_id: string;
  readonly incarnation: string;
  readonly version: number;
  readonly profile: Buffer;
  readonly own_key_id: string | null;
  readonly own_key: Buffer | null;
}

/** Id of the subject's key in a keyring that has no other. */
export const OWN_KEY = 'own';
const KEY_BYTES = 32;

/**
 * Encrypts the personal data of each subject under a key of its own, which is wrapped by the keyring and stored in a row of its
 * own. Without that row, no copy of the profile decrypts, in no backup that was made without the keys.
 */
export class ProfileVault {
  constructor(private readonly keyring: Keyring) {}

  /**
   * Undefined if the key of the subject is missing, because a backup was restored without the keys of subjects. Its credentials
   * stay, and `MissingKeys` writes a new profile.
   * @throws ServiceError CREDENTIAL_BROKEN if profile or key do not belong to their rows
   */
  open(tenant: string, row: StoredProfile): Profile | undefined {
    const own = this.keyOf(tenant, row);
    if (!own) return undefined;
    const context = profileContext(tenant, row.subject_id, row.incarnation, row.version);
    return intact(() => JSON.parse(own.unwrap({ keyId: OWN_KEY, bytes: row.profile }, context)) as Profile);
  }

  /** The subject's own key. @throws ServiceError CREDENTIAL_BROKEN */
  keyOf(
    tenant: string,
    { subject_id, own_key_id, own_key }: Pick<StoredProfile, 'subject_id' | 'own_key_id' | 'own_key'>,
  ): Keyring | undefined {
    if (own_key_id === null || own_key === null) return undefined;
    const wrapped = { keyId: own_key_id, bytes: own_key };
    return intact(() => keyringOf(this.keyring.unwrap(wrapped, subjectKeyContext(tenant, subject_id))));
  }

  /**
   * Writes the profile. A subject without a key gets one, and with it a new incarnation: without the key, nothing proves that the
   * stored incarnation is the one that was written. The row of the subject must be locked, or not exist.
   * Each change has a later time, in the milliseconds that are shown, so it has another entity tag.
   */
  async write(
    tx: Sql,
    tenant: string,
    subject: string,
    version: number,
    profile: Profile,
    before: { readonly incarnation: string; readonly ownKey: Keyring | undefined } | undefined,
  ): Promise<void> {
    const { incarnation, bytes, ownKey } = this.wrapped(tenant, subject, version, profile, before);
    await tx.query(
      `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant, subject_id) DO UPDATE
         SET
           incarnation = EXCLUDED.incarnation,
           version = EXCLUDED.version,
           profile = EXCLUDED.profile,
           updated_at = GREATEST(clock_timestamp(), subjects.updated_at + interval '1 millisecond')`,
      [tenant, subject, incarnation, version, bytes],
    );
    if (!ownKey) return;
    await tx.query(
      `INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant, subject_id) DO UPDATE SET key_id = EXCLUDED.key_id, wrapped = EXCLUDED.wrapped`,
      [tenant, subject, ownKey.keyId, ownKey.bytes],
    );
  }

  /** Encrypts a profile for its row. `ownKey`: the wrapped key of a subject that had none. */
  wrapped(
    tenant: string,
    subject: string,
    version: number,
    profile: Profile,
    before?: { readonly incarnation: string; readonly ownKey: Keyring | undefined },
  ): { readonly incarnation: string; readonly bytes: Buffer; readonly ownKey: WrappedValue | undefined } {
    const key = randomBytes(KEY_BYTES).toString('base64url');
    const own = before?.ownKey ?? keyringOf(key);
    const incarnation = before?.ownKey ? before.incarnation : randomUUID();
    const { bytes } = own.wrap(JSON.stringify(profile), profileContext(tenant, subject, incarnation, version));
    const ownKey = before?.ownKey ? undefined : this.keyring.wrap(key, subjectKeyContext(tenant, subject));
    return { incarnation, bytes, ownKey };
  }
}

function keyringOf(key: string): Keyring {
  return new Keyring(new Secret(`${OWN_KEY}:${key}`));
}

function intact<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw new ServiceError('CREDENTIAL_BROKEN', 'A stored profile does not belong to its row or its key', false);
  }
}
