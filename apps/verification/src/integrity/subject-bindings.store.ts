import { type Method } from '@countersign/contracts';
import { constantTimeEquals, type KeyedHash, type Keyring } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { phoneTag } from '@countersign/stored-secrets';
import { type StoredCredential } from '../credentials/credential.decision.js';
import { type StoredProfile } from '../subjects/profiles/profile-vault.store.js';
import { type ReportTampering, type Tampering } from './tamper-reports.store.js';

/** A subject row, with the highest version that its profile ever had. */
export interface VersionedProfile extends StoredProfile {
  readonly latest_version: number | null;
}

/** A credential row, with the highest version that it ever had; null: none. */
export interface VersionedCredential {
  readonly credential_version: number | null;
  readonly credential_key_id: string | null;
  readonly wrapped: Buffer | null;
  readonly must_change: boolean | null;
  readonly cap: number | null;
  readonly hash_form: string | null;
  readonly enrolled_us: string | null;
  readonly latest_credential: number | null;
}

/** Refuses rows of subjects that are older than the last written version, and reports them. */
export class SubjectBindings {
  constructor(
    private readonly keyring: Keyring,
    private readonly hash: KeyedHash,
    private readonly report?: ReportTampering,
  ) {}

  /** @throws ServiceError CREDENTIAL_BROKEN for a row from an older state */
  async requireLatest(tenant: string, row: VersionedProfile): Promise<void> {
    if (row.version !== row.latest_version) await this.refuse('profile', 'rolled_back', tenant, row.subject_id);
  }

  /** @throws ServiceError CREDENTIAL_BROKEN if the phone number does not belong to this subject (any more) */
  async requirePhone(tenant: string, phoneKey: string, row: StoredProfile, tag: string | null): Promise<void> {
    if (tag !== null && constantTimeEquals(tag, phoneTag(this.hash, tenant, phoneKey, row.subject_id, row.version)))
      return;
    await this.refuse('phone', 'altered', tenant, row.subject_id);
  }

  /** Decrypts the profile. @throws ServiceError CREDENTIAL_BROKEN, after a report, if `open` throws it */
  async opened<T>(tenant: string, row: StoredProfile, open: () => T): Promise<T> {
    try {
      return open();
    } catch (error) {
      const isKnown = row.own_key_id === null || this.keyring.has(row.own_key_id);
      const reason = isKnown ? 'altered' : 'unknown_key';
      await this.report?.({ what: 'profile', reason, tenant, subject: row.subject_id });
      throw error;
    }
  }

  /**
   * The credential of a row; undefined: there is none. Decryption detects altered columns later, because they are bound to the
   * ciphertext.
   * @throws ServiceError CREDENTIAL_BROKEN for a row from an older state
   */
  async credential(
    tenant: string,
    subject: string,
    kind: Method,
    row: VersionedCredential,
  ): Promise<StoredCredential | undefined> {
    const { credential_version: version, credential_key_id: keyId, wrapped, cap, enrolled_us: enrolledAt } = row;
    if (version === null || keyId === null || wrapped === null || cap === null || enrolledAt === null) return undefined;
    if (version !== row.latest_credential) await this.refuse('credential', 'rolled_back', tenant, subject);
    const hashForm = row.hash_form ?? undefined;
    const mustChange = row.must_change === true;
    return { kind, tenant, subject, version, cap, mustChange, enrolledAt, hashForm, keyId, wrapped };
  }

  async refuse(what: Tampering['what'], reason: Tampering['reason'], tenant: string, subject: string): Promise<never> {
    await this.report?.({ what, reason, tenant, subject });
    throw new ServiceError('CREDENTIAL_BROKEN', `A stored ${what} is not the one that was written last`, false);
  }
}
