import { type SecretHash } from '@countersign/contracts';

/** Earlier secrets that stay valid until the grace period ends. A rotation never extends an earlier grace period. */
export function withinGrace(hashes: readonly SecretHash[], now: string, graceEnds: string): SecretHash[] {
  return hashes
    .map(({ hash, validUntil = graceEnds }) => ({ hash, validUntil: validUntil < graceEnds ? validUntil : graceEnds }))
    .filter(({ validUntil }) => validUntil > now);
}
