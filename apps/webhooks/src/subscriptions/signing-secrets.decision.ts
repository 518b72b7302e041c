/** A secret that signs deliveries. */
export interface SigningSecret {
  /** `whsec_` and base64. */
  readonly value: string;
  /** Null: it signs until it is rotated. */
  readonly until: Date | null;
}

/** Most secrets that sign at a time: a rotation in the grace period of another one ends the oldest. */
const MAX_SECRETS = 3;

/** The secrets after a rotation, the newest first. */
export function rotated(
  secrets: readonly SigningSecret[],
  value: string,
  graceSeconds: number,
  now: Date,
): SigningSecret[] {
  const end = new Date(now.getTime() + graceSeconds * 1000);
  const old = secrets.map((one) => ({ ...one, until: one.until !== null && one.until < end ? one.until : end }));
  return [{ value, until: null }, ...inForce(old, now)].slice(0, MAX_SECRETS);
}

/** The secrets that still sign. */
export function inForce(secrets: readonly SigningSecret[], now: Date): SigningSecret[] {
  return secrets.filter(({ until }) => until === null || until > now);
}
