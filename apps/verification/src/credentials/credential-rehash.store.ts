import { type Database } from '@countersign/persistence';
import { type StoredCredential } from './credential.decision.js';

/**
 * Puts a hash that was made anew in the place of the one it was made from. Compares and swaps: an enrolment or a re-wrap
 * of the meantime wins, and the row keeps its version.
 */
export function replaceCredential(
  database: Database,
): (old: StoredCredential, anew: Pick<StoredCredential, 'keyId' | 'wrapped'>) => Promise<void> {
  return async (old, anew) => {
    await database.forTenants([old.tenant]).query(
      `UPDATE verification.credentials SET key_id = $1, wrapped = $2
       WHERE tenant = $3 AND subject_id = $4 AND kind = $5 AND version = $6 AND key_id = $7 AND wrapped = $8`,
      [anew.keyId, anew.wrapped, old.tenant, old.subject, old.kind, old.version, old.keyId, old.wrapped],
    );
  };
}
