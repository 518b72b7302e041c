import { randomBytes } from 'node:crypto';
import { type Sql } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { profileContext, subjectKeyContext } from '@countersign/stored-secrets';
import { type Profile } from '../ports.js';

/** A profile as its rows hold it: under the subject's own key, or, from a release that had none, under the keyring. */
export interface StoredProfile {
  readonly subject_id: string;
  readonly version: number;
  readonly own_key_id: string | null;
  readonly own_key: Buffer | null;
  readonly own_profile: Buffer | null;
  readonly profile_key_id: string | null;
  readonly profile: Buffer | null;
}

/** The id of a subject's key in the keyring that is made of it. */
const OWN = 'own';
const KEY_BYTES = 32;
const NOTHING = Buffer.alloc(0);

/**
 * What is personal of a subject, under a key that is this subject's alone. The key is wrapped by the keyring and kept in a
 * row of its own: with that row gone, no copy of the profile can be opened, in no backup that was made without the keys.
 */
export class ProfileVault {
  constructor(private readonly keyring: Keyring) {}

  /** @throws ServiceError CREDENTIAL_BROKEN when profile or key do not belong to their rows */
  open(tenant: string, row: StoredProfile): Profile {
    const own = this.keyOf(tenant, row);
    const context = profileContext(tenant, row.subject_id, row.version);
    return intact(() => {
      const text = own
        ? own.unwrap({ keyId: OWN, bytes: row.own_profile ?? NOTHING }, context)
        : this.keyring.unwrap({ keyId: row.profile_key_id ?? '', bytes: row.profile ?? NOTHING }, context);
      return JSON.parse(text) as Profile;
    });
  }

  /** The subject's own key. @throws ServiceError CREDENTIAL_BROKEN */
  keyOf(tenant: string, { subject_id, own_key_id, own_key }: StoredProfile): Keyring | undefined {
    if (own_key_id === null || own_key === null) return undefined;
    const wrapped = { keyId: own_key_id, bytes: own_key };
    return intact(() => keyringOf(this.keyring.unwrap(wrapped, subjectKeyContext(tenant, subject_id))));
  }

  /** Whether the keyring has the key that the rows name. */
  has({ own_key_id, profile_key_id }: StoredProfile): boolean {
    return this.keyring.has(own_key_id ?? profile_key_id ?? '');
  }

  /** Writes the profile, and a key for a subject that has none yet. The subject's row must be locked, or not be there. */
  async write(
    tx: Sql,
    tenant: string,
    subject: string,
    version: number,
    profile: Profile,
    known: Keyring | undefined,
  ): Promise<void> {
    const key = randomBytes(KEY_BYTES).toString('base64url');
    const own = known ?? keyringOf(key);
    const { bytes } = own.wrap(JSON.stringify(profile), profileContext(tenant, subject, version));
    await tx.query(
      `INSERT INTO verification.subjects (tenant, subject_id, version, own_profile) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant, subject_id) DO UPDATE
         SET version = EXCLUDED.version, own_profile = EXCLUDED.own_profile, profile_key_id = NULL, profile = NULL,
             updated_at = clock_timestamp()`,
      [tenant, subject, version, bytes],
    );
    if (known) return;
    // Who made the subject at the same moment wrote a key too: the one that wrote the profile last has to stand.
    const wrapped = this.keyring.wrap(key, subjectKeyContext(tenant, subject));
    await tx.query(
      `INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant, subject_id) DO UPDATE SET key_id = EXCLUDED.key_id, wrapped = EXCLUDED.wrapped`,
      [tenant, subject, wrapped.keyId, wrapped.bytes],
    );
  }
}

function keyringOf(key: string): Keyring {
  return new Keyring(new Secret(`${OWN}:${key}`));
}

function intact<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw new ServiceError('CREDENTIAL_BROKEN', 'A stored profile does not belong to its row or its key', false);
  }
}
