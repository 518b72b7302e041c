import { createSecretKey, hash, randomBytes, type KeyObject } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { decryptDirect, encryptDirect } from './direct-encryption.js';
import { checkKeyPair, type KeyCheck, KEY_BYTES } from './key-check.js';
import { DecryptionError } from './keyring.js';
import { type Secret } from './secret.js';

const ALGORITHM = 'ECDH-ES';
const ENCRYPTION = 'A256GCM';
/** A content key is used for this long, in milliseconds, and at most {@link CONTENT_KEY_USES} times. */
const CONTENT_KEY_MS = 60_000;
/** Far below the 2^32 random nonces that NIST SP 800-38D section 8.3 allows under one key. */
const CONTENT_KEY_USES = 1_000_000;
/** Opened content keys in the cache of a {@link PayloadOpener}. Each adapter makes one a minute. */
const MAX_CACHED_KEYS = 1000;

interface KeySet {
  keys?: JWK[];
}

/** A content key and its ticket: the key itself, encrypted for the verification service. */
interface ContentKey {
  readonly key: KeyObject;
  readonly ticket: string;
  readonly until: number;
  uses: number;
}

/**
 * Encrypts payloads for the verification service (JWE, RFC 7516). Holds public keys only.
 *
 * A key agreement for each payload would cost more than all other work of an adapter, so there are two layers:
 * - Once a minute a random content key is encrypted with ECDH-ES over X25519 (RFC 8037). The result is the ticket.
 * - Each payload is encrypted under the content key (`dir`, A256GCM), with the ticket in its protected header.
 *
 * Only the private key decrypts the ticket, and only the key in the ticket decrypts the payload.
 */
export class PayloadSealer {
  #content: Promise<ContentKey> | undefined;

  private constructor(
    private readonly key: CryptoKey,
    private readonly keyId: string,
    /** Check value of the key in use. */
    readonly check: KeyCheck,
  ) {}

  /**
   * @param jwks JSON Web Key Set with public X25519 keys; the first one is used
   * @throws Error that names the rule
   */
  static async fromKeySet(jwks: string): Promise<PayloadSealer> {
    const [first] = parseKeySet(jwks);
    if (first === undefined) throw new Error('must be a JSON Web Key Set with at least one key');
    if ('d' in first) throw new Error('must hold public keys only: remove the member "d"');
    return new PayloadSealer((await importJWK(first, ALGORITHM)) as CryptoKey, first.kid ?? '', checkKeyPair(first));
  }

  /**
   * @param binding what the payload belongs to, as `bindingOf` of contracts writes it. Its hash is authenticated, so the
   * payload cannot be opened together with other fields
   */
  async seal(payload: Record<string, unknown>, binding: string): Promise<string> {
    const content = await this.#contentKey();
    const header = { alg: 'dir', enc: ENCRYPTION, tkt: content.ticket, bnd: hashOf(binding) };
    return encryptDirect(content.key, header, JSON.stringify(payload));
  }

  async #contentKey(): Promise<ContentKey> {
    const content = await (this.#content ??= this.#newContentKey());
    content.uses += 1;
    if (Date.now() < content.until && content.uses <= CONTENT_KEY_USES) return content;
    this.#content = this.#newContentKey();
    return this.#content;
  }

  async #newContentKey(): Promise<ContentKey> {
    const bytes = randomBytes(KEY_BYTES);
    const ticket = await new CompactEncrypt(bytes)
      .setProtectedHeader({ alg: ALGORITHM, enc: ENCRYPTION, kid: this.keyId })
      .encrypt(this.key);
    return { key: createSecretKey(bytes), ticket, until: Date.now() + CONTENT_KEY_MS, uses: 0 };
  }
}

/** Decrypts the payloads of a {@link PayloadSealer}. Only the verification service has one. */
export class PayloadOpener {
  readonly #contentKeys = new LRUCache<string, Promise<KeyObject>>({ max: MAX_CACHED_KEYS });

  private constructor(
    private readonly keys: ReadonlyMap<string, CryptoKey>,
    /** Check values of all keys, in the order of the setting. */
    readonly checks: readonly KeyCheck[],
  ) {}

  /**
   * @param jwks JSON Web Key Set with private X25519 keys; all of them decrypt, so keys can be changed under load
   * @throws Error that names the rule and contains nothing of the text
   */
  static async fromKeySet(jwks: Secret): Promise<PayloadOpener> {
    const keys = new Map<string, CryptoKey>();
    const parsed = parseKeySet(jwks.reveal());
    for (const jwk of parsed) {
      if (!('d' in jwk)) throw new Error('must hold private keys: the member "d" is missing');
      keys.set(jwk.kid ?? '', (await importJWK(jwk, ALGORITHM)) as CryptoKey);
    }
    if (keys.size === 0) throw new Error('must be a JSON Web Key Set with at least one key');
    return new PayloadOpener(keys, parsed.map(checkKeyPair));
  }

  /** @throws DecryptionError when the payload was changed, has an unknown key, or is bound to other fields */
  async unseal(sealed: string, binding: string): Promise<Record<string, unknown>> {
    try {
      const header = JSON.parse(
        Buffer.from(sealed.slice(0, sealed.indexOf('.')), 'base64url').toString(),
      ) as DirectHeader;
      if (header.alg !== 'dir' || header.enc !== ENCRYPTION || 'crit' in header || 'zip' in header) {
        throw new DecryptionError('the payload has another algorithm');
      }
      const plaintext = decryptDirect(await this.#contentKey(header.tkt), sealed);
      if (header.bnd !== hashOf(binding)) throw new DecryptionError('the payload is bound to other fields');
      return JSON.parse(plaintext) as Record<string, unknown>;
    } catch {
      throw new DecryptionError('the sealed payload cannot be opened');
    }
  }

  #contentKey(ticket: unknown): Promise<KeyObject> {
    if (typeof ticket !== 'string') return Promise.reject(new DecryptionError('the payload has no ticket'));
    const cached = this.#contentKeys.get(ticket);
    if (cached) return cached;
    const opened = this.#openTicket(ticket);
    this.#contentKeys.set(ticket, opened);
    // A ticket that does not open is removed, so that invalid tickets cannot evict valid ones.
    opened.catch(() => this.#contentKeys.delete(ticket));
    return opened;
  }

  async #openTicket(ticket: string): Promise<KeyObject> {
    const { plaintext } = await compactDecrypt(
      ticket,
      ({ kid }) => {
        const key = this.keys.get(kid ?? '');
        if (!key) throw new DecryptionError('the sealing key is unknown');
        return key;
      },
      { keyManagementAlgorithms: [ALGORITHM], contentEncryptionAlgorithms: [ENCRYPTION] },
    );
    if (plaintext.length !== KEY_BYTES) throw new DecryptionError('the ticket holds no content key');
    return createSecretKey(plaintext);
  }
}

interface DirectHeader {
  readonly alg?: unknown;
  readonly enc?: unknown;
  readonly tkt?: unknown;
  readonly bnd?: unknown;
}

const hashOf = (binding: string): string => hash('sha256', binding, 'base64url');

/** Creates a pair of key sets: the private one for the verification service, the public one for the adapters. */
export async function createSealingKeys(keyId: string): Promise<{ privateKeys: string; publicKeys: string }> {
  const pair = await generateKeyPair(ALGORITHM, { crv: 'X25519', extractable: true });
  const privateJwk = { ...(await exportJWK(pair.privateKey)), kid: keyId, use: 'enc' };
  const publicJwk = { ...(await exportJWK(pair.publicKey)), kid: keyId, use: 'enc' };
  return { privateKeys: JSON.stringify({ keys: [privateJwk] }), publicKeys: JSON.stringify({ keys: [publicJwk] }) };
}

function parseKeySet(text: string): JWK[] {
  let parsed: KeySet;
  try {
    parsed = JSON.parse(text) as KeySet;
  } catch {
    throw new Error('must be a JSON Web Key Set');
  }
  if (!Array.isArray(parsed.keys)) throw new Error('must be a JSON Web Key Set');
  for (const key of parsed.keys) {
    if (key.kty !== 'OKP' || key.crv !== 'X25519') throw new Error('must hold keys of type OKP, curve X25519');
  }
  return parsed.keys;
}
