import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { checkSecretKey, KEY_BYTES, type KeyCheck } from './key-check.js';
import { Keyring } from './keyring.js';
import { Secret } from './secret.js';

/** Keys at a time, at most; messages hold names under that many. A rotation needs two. */
const MAX_KEYS = 4;

/** One of several keys. */
export interface SingleKey {
  readonly keyId: string;
  readonly hash: KeyedHash;
}

/**
 * HMAC-SHA256 over a list of parts. There are only 10^10 telephone numbers, so the number behind a plain hash is found in
 * hours. A key that is not in the database prevents that.
 *
 * While a key is rotated there are several. The first one hashes; {@link hashes} and {@link singleKeys} give the hashes
 * under the others too.
 */
export class KeyedHash {
  readonly #keys: readonly Buffer[];
  readonly #key: Buffer;
  #each: readonly SingleKey[] | undefined;

  /**
   * @param keys `key[,key…]`, each base64url of at least 32 random bytes; the first one hashes
   * @throws Error that names the rule and contains nothing of the text
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
    if (this.#keys.length > MAX_KEYS) throw new Error(`must hold at most ${MAX_KEYS} keys`);
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
   * @param purpose separates hashes of different things, even when their parts are equal
   * @returns 64 hexadecimal digits
   */
  hash(purpose: string, ...parts: string[]): string {
    return nameUnder(this.#key, digestOf(purpose, ...parts));
  }

  /** As {@link hash}, under every key: one hash, except while the key is rotated. */
  hashes(purpose: string, ...parts: string[]): string[] {
    return this.#keys.map((key) => nameUnder(key, digestOf(purpose, ...parts)));
  }

  /** The keyed hash of parts when only their {@link digestOf} is known. */
  hashDigest(digest: string): string {
    return nameUnder(this.#key, digest);
  }

  /** A hash with each key alone, in the order of the setting. */
  get singleKeys(): readonly SingleKey[] {
    this.#each ??= this.#keys.map((key) => ({
      keyId: checkSecretKey(key).keyId,
      hash: this.#keys.length === 1 ? this : new KeyedHash(new Secret(key.toString('base64url'))),
    }));
    return this.#each;
  }

  /** A keyring of keys that are derived from these for one purpose: the first encrypts, all decrypt. */
  keyring(purpose: string): Keyring {
    const derived = this.#keys.map((key) => {
      const { keyId } = checkSecretKey(key);
      return `${keyId}:${Buffer.from(nameUnder(key, digestOf('keyring', purpose)), 'hex').toString('base64url')}`;
    });
    return new Keyring(new Secret(derived.join(',')));
  }

  /**
   * The name of a reference to a subject, whether the subject exists or not. It names the attempt counter, and it appears in
   * events, so events of different services about one reference can be joined.
   * @param kind `id`, or `phone`: then `ref` is the keyed hash of the number
   */
  subjectKey(tenant: string, kind: 'id' | 'phone', ref: string): string {
    return this.hash('guard', tenant, kind, ref);
  }

  /**
   * The name of a caller in messages and events.
   * @param kind `phone`: `value` is the number in E.164. `text`: `value` is what the platform sent instead of a number. It is
   * empty for anonymous callers, so they share one name
   */
  callerKey(tenant: string, kind: 'phone' | 'text', value: string): string {
    return this.hashDigest(callerDigest(tenant, kind, value));
  }

  /** The name of a command between limiter and adapters. */
  limitCommand(tenant: string, commandId: string): string {
    return this.shortHash('limit command', tenant, commandId);
  }

  /** The name of a subject of a caller between limiter and adapters. */
  limitMember(tenant: string, kind: 'id' | 'phone', ref: string): string {
    return this.shortHash('limit member', tenant, kind, ref);
  }

  /** The first 64 bits of the hash as a signed number in decimal digits, for small sets that a row holds. */
  shortHash(purpose: string, ...parts: string[]): string {
    return BigInt.asIntN(64, BigInt(`0x${this.hash(purpose, ...parts).slice(0, 16)}`)).toString();
  }
}

/**
 * SHA-256 over a list of parts, to which a key is applied. It does not depend on the key, so the telephone number behind it
 * is found in hours. It leaves a process only encrypted.
 * @returns 64 hexadecimal digits
 */
export function digestOf(purpose: string, ...parts: string[]): string {
  // With lengths, so that ("ab", "c") and ("a", "bc") differ.
  return hash('sha256', [purpose, ...parts].map((part) => `${Buffer.byteLength(part)}:${part}`).join(''));
}

/** The digests behind the names of callers and telephone numbers. */
export const callerDigest = (tenant: string, kind: 'phone' | 'text', value: string): string =>
  digestOf('caller', tenant, kind, value);
export const phoneDigest = (tenant: string, e164: string): string => digestOf('phone', tenant, e164);

function nameUnder(key: Buffer, digest: string): string {
  return createHmac('sha256', key).update(digest).digest('hex');
}

/** SHA-256 as 64 hexadecimal digits; only for secrets of 256 random bits. */
export function sha256(text: string): string {
  return hash('sha256', text);
}

/** Compares in a time that depends only on the lengths. */
export function constantTimeEquals(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
