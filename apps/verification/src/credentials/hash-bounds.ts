/** Cost of argon2id. OWASP's minimum for argon2id is 19456 KiB, 2 passes, 1 lane. */
export interface HashCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/**
 * The maximum cost of a stored hash: with a higher one, an attacker who can write to the database could exhaust memory and time.
 * The minimum is that of argon2 (RFC 9106 section 3.1: 8 KiB per lane). A hash that is weaker than the settings is replaced at
 * the next success.
 */
const BOUNDS = { memoryKib: 1_048_576, passes: 10, lanes: 16 } as const;
/** Salt of 8 to 64 bytes and hash of 16 to 64, as base64 without padding: a shorter hash could match by chance. */
const PHC =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;

/**
 * Reads the cost from a stored hash, before anything is allocated for it.
 * @returns undefined if it is not an argon2id hash, or out of bounds
 */
export function costOf(phc: string): HashCost | undefined {
  const found = PHC.exec(phc);
  if (!found) return undefined;
  const [memoryKib, passes, lanes] = found.slice(1).map(Number) as [number, number, number];
  const above = memoryKib > BOUNDS.memoryKib || passes > BOUNDS.passes || lanes > BOUNDS.lanes;
  return above || memoryKib < 8 * lanes ? undefined : { memoryKib, passes, lanes };
}

/** Whether a hash was made with this cost. */
export function sameCost(a: HashCost, b: HashCost): boolean {
  return a.memoryKib === b.memoryKib && a.passes === b.passes && a.lanes === b.lanes;
}
