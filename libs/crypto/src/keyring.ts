import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { checkSecretKey, KEY_BYTES, type KeyCheck } from './key-check.js';
import { Secret } from './secret.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A ciphertext cannot be decrypted: another key, changed bytes, or bytes that belong to another row or message. */
export class DecryptionError extends Error {
  override readonly name = 'DecryptionError';
}

/** A ciphertext and the id of its key. */
export interface WrappedValue {
  readonly keyId: string;
  /** Nonce (12 bytes), AES-256-GCM ciphertext, tag (16 bytes). */
  readonly bytes: Buffer;
}

/**
 * Keys for stored values: the first one encrypts (wraps), all decrypt (unwrap), so a key can be changed without a caller.
 * AES-256-GCM with a random 96-bit nonce: NIST SP 800-38D section 8.3 allows 2^32 wraps per key.
 */
export class Keyring {
  readonly #keys = new Map<string, Buffer>();
  readonly #first: string;

  /**
   * @param text `id:key[,id:key…]`, each key base64url of 32 bytes
   * @throws Error that names the rule and contains nothing of the text
   */
  constructor(text: Secret) {
    for (const entry of text.reveal().split(',')) {
      const [id, key, ...rest] = entry.trim().split(':');
      if (!id || !key || rest.length > 0 || !/^[A-Za-z0-9_-]{1,32}$/.test(id)) {
        throw new Error('must be id:key pairs with commas between them');
      }
      const bytes = Buffer.from(key, 'base64url');
      if (bytes.length !== KEY_BYTES) throw new Error(`every key must be base64url of ${KEY_BYTES} bytes`);
      if (this.#keys.has(id)) throw new Error('must not name a key id twice');
      this.#keys.set(id, bytes);
    }
    this.#first = [...this.#keys.keys()][0] as string;
  }

  /** @param context what the ciphertext belongs to; it must be the same to decrypt, so rows cannot be swapped */
  wrap(plain: string, context: readonly string[]): WrappedValue {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.#first), nonce);
    cipher.setAAD(associatedData(context));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return { keyId: this.#first, bytes: Buffer.concat([nonce, body, cipher.getAuthTag()]) };
  }

  /** @throws DecryptionError when the key is unknown or the bytes do not belong to the context */
  unwrap(wrapped: WrappedValue, context: readonly string[]): string {
    const { bytes } = wrapped;
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new DecryptionError('too short');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key(wrapped.keyId), bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(associatedData(context));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      const body = bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES);
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
    } catch {
      throw new DecryptionError('the stored value cannot be opened with this keyring in this row');
    }
  }

  /** Id of the key that encrypts. */
  get first(): string {
    return this.#first;
  }

  /** Check values of all keys; the one that encrypts is first. */
  get checks(): KeyCheck[] {
    return [...this.#keys].map(([id, key]) => checkSecretKey(key, id));
  }

  /** Whether the keyring has a key of this id. */
  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  #key(id: string): Buffer {
    const key = this.#keys.get(id);
    if (!key) throw new DecryptionError('the keyring has no key of that id');
    return key;
  }
}

/**
 * Adds a key of 32 random bytes. Its id (`k1`, `k2`, …) is one above the highest number in the ring.
 * @param place `first`: it encrypts from now on; `last`: it only decrypts, until {@link withFirstKey} moves it to the front
 * @throws Error as {@link Keyring}
 */
export function withNewKey(ring: Secret, place: 'first' | 'last'): { readonly ring: Secret; readonly id: string } {
  const entries = entriesOf(ring);
  const numbers = entries.map(({ id }) => Number(/^k(\d{1,9})$/.exec(id)?.[1] ?? 0));
  const id = `k${Math.max(0, ...numbers) + 1}`;
  const created = { id, text: `${id}:${randomBytes(KEY_BYTES).toString('base64url')}` };
  return { ring: ringOf(place === 'first' ? [created, ...entries] : [...entries, created]), id };
}

/** Moves a key of the ring to the front, where it encrypts. @throws Error when the ring has no such key */
export function withFirstKey(ring: Secret, id: string): Secret {
  const entries = entriesOf(ring);
  const first = entries.find((entry) => entry.id === id);
  if (!first) throw new Error('has no key of that id');
  return ringOf([first, ...entries.filter((entry) => entry !== first)]);
}

function entriesOf(ring: Secret): { id: string; text: string }[] {
  new Keyring(ring);
  return ring
    .reveal()
    .split(',')
    .map((entry) => ({ id: entry.trim().split(':')[0] ?? '', text: entry.trim() }));
}

const ringOf = (entries: readonly { text: string }[]): Secret => new Secret(entries.map(({ text }) => text).join(','));

/** With lengths, so no two contexts give the same bytes. */
function associatedData(context: readonly string[]): Buffer {
  return Buffer.from(context.map((part) => `${Buffer.byteLength(part)}:${part}`).join(''));
}
