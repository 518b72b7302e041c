import { type SecretHash } from '@countersign/contracts';

/**
 * Earlier secrets that stay valid until the grace period ends. A rotation never extends an earlier grace period. Only the latest
 * are kept: every cache refuses an entry with more than it expects, and its process ends.
 * @param most how many are kept
 */
export function withinGrace(hashes: readonly SecretHash[], now: Date, graceEnds: Date, most: number): SecretHash[] {
  const [from, until] = [now.toISOString(), graceEnds.toISOString()];
  return hashes
    .map(({ hash, validUntil = until }) => ({ hash, validUntil: validUntil < until ? validUntil : until }))
    .filter(({ validUntil }) => validUntil > from)
    .slice(0, most);
}
