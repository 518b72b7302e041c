import { type SecretHash } from '@countersign/contracts';

/** Earlier secrets that stay valid until the grace period ends. A rotation never extends an earlier grace period. */
export function withinGrace(hashes: readonly SecretHash[], now: Date, graceEnds: Date): SecretHash[] {
  const [from, until] = [now.toISOString(), graceEnds.toISOString()];
  return hashes
    .map(({ hash, validUntil = until }) => ({ hash, validUntil: validUntil < until ? validUntil : until }))
    .filter(({ validUntil }) => validUntil > from);
}
