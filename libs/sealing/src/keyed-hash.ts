import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type Secret } from './secret.js';

/** Shortest key, in bytes, that is accepted anywhere: 256 bits. */
export const KEY_BYTES = 32;

/**
 * HMAC-SHA256 over a list of parts. Telephone numbers are few (10^10), so a bare hash of one is the number itself for
 * anyone with an afternoon; under a key that is not in the database it is not.
 */
export class KeyedHash {
  readonly #key: Buffer;

  /** @throws Error when the key is not base64url of at least 32 bytes. */
  constructor(key: Secret) {
    this.#key = Buffer.from(key.reveal(), 'base64url');
    if (this.#key.length < KEY_BYTES) throw new Error(`must be base64url of at least ${KEY_BYTES} random bytes`);
  }

  /**
   * @param purpose keeps hashes of different things apart, whatever their parts
   * @returns 64 hexadecimal digits
   */
  hash(purpose: string, ...parts: string[]): string {
    const mac = createHmac('sha256', this.#key);
    // Lengths first, so that ("ab", "c") and ("a", "bc") differ.
    for (const part of [purpose, ...parts]) mac.update(`${Buffer.byteLength(part)}:`).update(part);
    return mac.digest('hex');
  }

  /**
   * The name of a reference to a subject, known or not: of its counter, and in events, so that those of different services
   * about one reference can be joined.
   * @param kind `id`, or `phone`: then `ref` is itself the keyed hash of the number
   */
  subjectKey(tenant: string, kind: 'id' | 'phone', ref: string): string {
    return this.hash('guard', tenant, kind, ref);
  }

  /** The first 64 bits of the hash as a signed number, in decimal digits: for sets of a few that a row has to hold. */
  short(purpose: string, ...parts: string[]): string {
    return BigInt.asIntN(64, BigInt(`0x${this.hash(purpose, ...parts).slice(0, 16)}`)).toString();
  }
}

/** SHA-256 as 64 hexadecimal digits; only for secrets that are themselves 256 random bits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Compares in a time that depends on the lengths alone. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
