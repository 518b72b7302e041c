import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { checkSecretKey, type KeyCheck } from './key-check.js';
import { type Secret } from './secret.js';

/** Shortest key, in bytes, that is accepted anywhere: 256 bits. */
export const KEY_BYTES = 32;

/**
 * HMAC-SHA256 over a list of parts. Telephone numbers are few (10^10), so a bare hash of one is the number itself for
 * anyone with an afternoon; under a key that is not in the database it is not.
 *
 * There may be several keys: the first one hashes, and the others find what they hashed before, where {@link hashes} is used.
 * Only keypad tokens use it. Rows of tables are found by {@link hash} alone, so `IDENTIFIER_KEY` cannot be rotated.
 */
export class KeyedHash {
  readonly #keys: readonly Buffer[];
  readonly #key: Buffer;

  /**
   * @param keys `key[,key…]`, each base64url of at least 32 random bytes; the first one hashes
   * @throws Error that says what is wrong with the form, without any of the text
   */
  constructor(keys: Secret) {
    this.#keys = keys
      .reveal()
      .split(',')
      .map((key) => Buffer.from(key.trim(), 'base64url'));
    if (this.#keys.some((key) => key.length < KEY_BYTES)) {
      throw new Error(
        `must be base64url of at least ${KEY_BYTES} random bytes, or several such keys with commas between`,
      );
    }
    if (new Set(this.#keys.map((key) => key.toString('hex'))).size < this.#keys.length) {
      throw new Error('must not hold a key twice');
    }
    this.#key = this.#keys[0] as Buffer;
  }

  /** Check values of all keys, the first one first. */
  get checks(): KeyCheck[] {
    return this.#keys.map((key) => checkSecretKey(key));
  }

  /**
   * @param purpose keeps hashes of different things apart, whatever their parts
   * @returns 64 hexadecimal digits
   */
  hash(purpose: string, ...parts: string[]): string {
    return keyedHash(this.#key, purpose, parts);
  }

  /** As {@link hash}, under each key in turn: one hash, unless the key is being rotated. */
  hashes(purpose: string, ...parts: string[]): string[] {
    return this.#keys.map((key) => keyedHash(key, purpose, parts));
  }

  /**
   * The name of a reference to a subject, known or not: of its counter, and in events, so that those of different services
   * about one reference can be joined.
   * @param kind `id`, or `phone`: then `ref` is itself the keyed hash of the number
   */
  subjectKey(tenant: string, kind: 'id' | 'phone', ref: string): string {
    return this.hash('guard', tenant, kind, ref);
  }

  /**
   * The name of who calls, in messages and events.
   * @param kind `phone`: `value` is the number in E.164. `text`: it is what the platform said instead of a number; empty for
   * callers who show nothing, who therefore share one name
   */
  callerKey(tenant: string, kind: 'phone' | 'text', value: string): string {
    return this.hash('caller', tenant, kind, value);
  }

  /** A command as limiter and adapters name it to each other. */
  limitCommand(tenant: string, commandId: string): string {
    return this.short('limit command', tenant, commandId);
  }

  /** A subject that a caller asks about, as limiter and adapters name it to each other. */
  limitMember(tenant: string, kind: 'id' | 'phone', ref: string): string {
    return this.short('limit member', tenant, kind, ref);
  }

  /**
   * What is kept of the reason that an operator gives. People write names and telephone numbers into reasons, so the words
   * stay where they were written: whoever has them can show that they were these.
   */
  reasonKey(tenant: string, reason: string): string {
    return this.hash('reason', tenant, reason);
  }

  /** The first 64 bits of the hash as a signed number, in decimal digits: for sets of a few that a row has to hold. */
  short(purpose: string, ...parts: string[]): string {
    return BigInt.asIntN(64, BigInt(`0x${this.hash(purpose, ...parts).slice(0, 16)}`)).toString();
  }
}

function keyedHash(key: Buffer, purpose: string, parts: readonly string[]): string {
  const mac = createHmac('sha256', key);
  // Lengths first, so that ("ab", "c") and ("a", "bc") differ.
  for (const part of [purpose, ...parts]) mac.update(`${Buffer.byteLength(part)}:`).update(part);
  return mac.digest('hex');
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
