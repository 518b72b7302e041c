import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { checkSecretKey, KEY_BYTES, type KeyCheck } from './key-check.js';
import { Keyring } from './keyring.js';
import { Secret } from './secret.js';

/** Most keys at a time; messages hold names under so many. A rotation needs two. */
const MAX_KEYS = 4;

/** One of several keys. */
export interface SingleKey {
  readonly keyId: string;
  readonly hash: KeyedHash;
}

/**
 * HMAC-SHA256 over a list of parts. Telephone numbers are few (10^10), so a bare hash of one is the number itself for
 * anyone with an afternoon; under a key that is not in the database it is not.
 *
 * There may be several keys while one takes the place of another: the first one hashes, and {@link hashes} and {@link each}
 * give what the others make of the same parts.
 */
export class KeyedHash {
  readonly #keys: readonly Buffer[];
  readonly #key: Buffer;
  #each: readonly SingleKey[] | undefined;

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
   * @param purpose keeps hashes of different things apart, whatever their parts
   * @returns 64 hexadecimal digits
   */
  hash(purpose: string, ...parts: string[]): string {
    return nameUnder(this.#key, digestOf(purpose, ...parts));
  }

  /** As {@link hash}, under each key in turn: one hash, unless the key is being rotated. */
  hashes(purpose: string, ...parts: string[]): string[] {
    return this.#keys.map((key) => nameUnder(key, digestOf(purpose, ...parts)));
  }

  /** The keyed hash of parts of which only the {@link digestOf} is at hand. */
  name(digest: string): string {
    return nameUnder(this.#key, digest);
  }

  /** Each key alone, the first one first. */
  get each(): readonly SingleKey[] {
    this.#each ??= this.#keys.map((key) => ({
      keyId: checkSecretKey(key).keyId,
      hash: this.#keys.length === 1 ? this : new KeyedHash(new Secret(key.toString('base64url'))),
    }));
    return this.#each;
  }

  /** A keyring of keys that are derived from these for one purpose: the first wraps, each unwraps. */
  keyring(purpose: string): Keyring {
    const derived = this.#keys.map((key) => {
      const { keyId } = checkSecretKey(key);
      return `${keyId}:${Buffer.from(nameUnder(key, digestOf('keyring', purpose)), 'hex').toString('base64url')}`;
    });
    return new Keyring(new Secret(derived.join(',')));
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
    return this.name(callerDigest(tenant, kind, value));
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

/**
 * SHA-256 over a list of parts: what a key is applied to. It is the same whatever the key is, and anyone with an afternoon
 * finds the telephone number in it: it leaves a process only under a seal.
 * @returns 64 hexadecimal digits
 */
export function digestOf(purpose: string, ...parts: string[]): string {
  const digest = createHash('sha256');
  // Lengths first, so that ("ab", "c") and ("a", "bc") differ.
  for (const part of [purpose, ...parts]) digest.update(`${Buffer.byteLength(part)}:`).update(part);
  return digest.digest('hex');
}

/** What is named by keyed hashes, as digests. */
export const callerDigest = (tenant: string, kind: 'phone' | 'text', value: string): string =>
  digestOf('caller', tenant, kind, value);
export const phoneDigest = (tenant: string, e164: string): string => digestOf('phone', tenant, e164);

function nameUnder(key: Buffer, digest: string): string {
  return createHmac('sha256', key).update(digest).digest('hex');
}

/** SHA-256 as 64 hexadecimal digits; only for secrets that are themselves 256 random bits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Compares in a time that depends on the lengths alone. */
export function constantTimeEquals(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
