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
/**
 * The maximum cost of an imported hash, about a quarter of a second. A tenant chooses it, and must not exhaust the memory of the
 * others. 64 MiB is the second recommended option of RFC 9106, and the default of argon2-cffi.
 */
export const IMPORT_BOUNDS = { memoryKib: 65_536, passes: 10, lanes: 16 } as const;
/** Cost of bcrypt: 2^4 to 2^12 rounds. */
const BCRYPT_ROUNDS = { min: 4, max: 12 } as const;
/** Salt of 8 to 64 bytes and hash of 16 to 64, as base64 without padding: a shorter hash could match by chance. */
const PHC =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;
/** `$2y$` is PHP's name of `$2b$`. Salt and hash end in bits that must be zero. */
const BCRYPT = /^\$2[by]\$(\d\d)\$[A-Za-z0-9./]{21}[.Oeu][A-Za-z0-9./]{30}[.CGKOSWaeimquy26]$/;
const FORM = /^(?:argon2id:(\d{1,7}):(\d{1,3}):(\d{1,3})|bcrypt:(\d\d))$/;

/** A form of imported hashes. */
export const HASH_FORM_RULE =
  `must be an argon2id hash ($argon2id$v=19$…) of at most ${IMPORT_BOUNDS.memoryKib} KiB, ${IMPORT_BOUNDS.passes} passes and ` +
  `${IMPORT_BOUNDS.lanes} lanes, or a bcrypt hash ($2b$…) of cost ${BCRYPT_ROUNDS.min} to ${BCRYPT_ROUNDS.max}`;

/**
 * Reads the cost from a stored hash, before anything is allocated for it.
 * @returns undefined if it is not an argon2id hash, or out of bounds
 */
export function costOf(phc: string): HashCost | undefined {
  const found = PHC.exec(phc);
  if (!found) return undefined;
  const [memoryKib, passes, lanes] = found.slice(1).map(Number) as [number, number, number];
  const cost = { memoryKib, passes, lanes };
  return isWithin(cost, BOUNDS) ? cost : undefined;
}

/** Whether it is a bcrypt hash within bounds. */
export function isBcrypt(hash: string): boolean {
  const rounds = Number(BCRYPT.exec(hash)?.[1]);
  return rounds >= BCRYPT_ROUNDS.min && rounds <= BCRYPT_ROUNDS.max;
}

/**
 * The form of a hash of another system: its algorithm and cost, as `argon2id:<KiB>:<passes>:<lanes>` or `bcrypt:<cost>`.
 * @returns undefined if it may not be imported
 */
export function formOfImport(hash: string): string | undefined {
  if (isBcrypt(hash)) return `bcrypt:${hash.slice(4, 6)}`;
  const cost = costOf(hash);
  if (cost === undefined || !isWithin(cost, IMPORT_BOUNDS)) return undefined;
  return `argon2id:${cost.memoryKib}:${cost.passes}:${cost.lanes}`;
}

/** A hash of this form that nothing matches, at equal cost; undefined: no form that may be imported. */
export function dummyOf(form: string): string | undefined {
  const [, memory, passes, lanes, rounds] = FORM.exec(form) ?? [];
  const hash =
    rounds === undefined
      ? `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${'A'.repeat(22)}$${'A'.repeat(43)}`
      : `$2b$${rounds}$${'.'.repeat(53)}`;
  return formOfImport(hash) === undefined ? undefined : hash;
}

/** Whether a hash was made with this cost. */
export function sameCost(a: HashCost, b: HashCost): boolean {
  return a.memoryKib === b.memoryKib && a.passes === b.passes && a.lanes === b.lanes;
}

function isWithin({ memoryKib, passes, lanes }: HashCost, bounds: HashCost): boolean {
  return memoryKib <= bounds.memoryKib && passes <= bounds.passes && lanes <= bounds.lanes && memoryKib >= 8 * lanes;
}
