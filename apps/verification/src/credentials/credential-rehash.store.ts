import { type Database } from '@countersign/persistence';
import { type StoredCredential } from './credential.decision.js';

/**
 * Replaces a hash by one of the current cost. Compares and swaps: a concurrent enrolment or rewrap takes precedence. The
 * row keeps its version.
 */
export function replaceCredential(
  database: Database,
): (old: StoredCredential, rehashed: Pick<StoredCredential, 'keyId' | 'wrapped'>) => Promise<void> {
  return async (old, rehashed) => {
    await database.forTenants([old.tenant]).query(
      `UPDATE verification.credentials
       SET
         key_id = $1,
         wrapped = $2,
         hash_form = NULL
       WHERE tenant = $3
         AND subject_id = $4
         AND kind = $5
         AND version = $6
         AND key_id = $7
         AND wrapped = $8`,
      [rehashed.keyId, rehashed.wrapped, old.tenant, old.subject, old.kind, old.version, old.keyId, old.wrapped],
    );
  };
}
