import { type KeyedHash } from '@countersign/crypto';

/**
 * Proves that this service gave a number to a subject, in the version of the subject that is in force: a number that was
 * moved to another subject, or taken from an older state, has another tag.
 * @param phoneKey keyed hash of the number
 */
export function phoneTag(hash: KeyedHash, tenant: string, phoneKey: string, subject: string, version: number): string {
  return hash.hash('subject-phone', tenant, phoneKey, subject, String(version));
}
