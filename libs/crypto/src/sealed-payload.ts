import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { decryptDirect, encryptDirect } from './direct-encryption.js';
import { checkKeyPair, type KeyCheck, KEY_BYTES } from './key-check.js';
import { DecryptionError } from './keyring.js';
import { type Secret } from './secret.js';

const ALGORITHM = 'ECDH-ES';
const ENCRYPTION = 'A256GCM';
/** One content key seals for this long, in milliseconds, and this often; then its successor takes over. */
const CONTENT_KEY_MS = 60_000;
/** Far below the 2^32 random nonces that NIST SP 800-38D section 8.3 allows under one key. */
const CONTENT_KEY_USES = 1_000_000;
/** Opened content keys in the cache of a {@link PayloadOpener}. Each adapter makes one a minute. */
const MAX_CACHED_KEYS = 1000;

interface KeySet {
  keys?: JWK[];
}

/** A content key, and its ticket: the key itself, sealed for the verification service. */
interface ContentKey {
  readonly key: KeyObject;
  readonly ticket: string;
  readonly until: number;
  uses: number;
}

/**
 * Seals payloads for the verification service (JWE, RFC 7516). Holds public keys only.
 *
 * Two layers, because a key agreement for each payload would cost more than everything else an adapter does: a random
 * content key is sealed with ECDH-ES over X25519 (RFC 8037) once a minute, which gives the ticket; payloads are sealed
 * under the content key (`dir`, A256GCM) and carry the ticket in their protected header. Only the private key opens the
 * ticket, and only what is in the ticket opens the payload.
 */
export class PayloadSealer {
  #content: Promise<ContentKey> | undefined;

  private constructor(
    private readonly key: CryptoKey,
    private readonly keyId: string,
    /** Check value of the key that seals. */
    readonly check: KeyCheck,
  ) {}

  /**
   * @param jwks JSON Web Key Set with public X25519 keys; the first one seals
   * @throws Error that says what is wrong with the form
   */
  static async fromKeySet(jwks: string): Promise<PayloadSealer> {
    const [first] = parseKeySet(jwks);
    if (first === undefined) throw new Error('must be a JSON Web Key Set with at least one key');
    if ('d' in first) throw new Error('must hold public keys only: remove the member "d"');
    return new PayloadSealer((await importJWK(first, ALGORITHM)) as CryptoKey, first.kid ?? '', checkKeyPair(first));
  }

  /**
   * @param binding what the payload belongs to, as `bindingOf` of contracts writes it. Its hash is authenticated, so the
   * sealed payload opens beside these fields and beside no others
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

/** Opens what a {@link PayloadSealer} sealed. Lives in the verification service alone. */
export class PayloadOpener {
  readonly #contentKeys = new LRUCache<string, Promise<KeyObject>>({ max: MAX_CACHED_KEYS });

  private constructor(
    private readonly keys: ReadonlyMap<string, CryptoKey>,
    /** Check values of all keys, in the order of the setting. */
    readonly checks: readonly KeyCheck[],
  ) {}

  /**
   * @param jwks JSON Web Key Set with private X25519 keys; all of them open, so that keys can be changed under traffic
   * @throws Error that says what is wrong with the form, without any of the text
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

  /** @throws SealBrokenError when the seal is damaged, of an unknown key, or bound to something else */
  async unseal(sealed: string, binding: string): Promise<Record<string, unknown>> {
    try {
      const header = JSON.parse(
        Buffer.from(sealed.slice(0, sealed.indexOf('.')), 'base64url').toString(),
      ) as DirectHeader;
      if (header.alg !== 'dir' || header.enc !== ENCRYPTION || 'crit' in header || 'zip' in header) {
        throw new DecryptionError('sealed in another way');
      }
      const plaintext = decryptDirect(await this.#contentKey(header.tkt), sealed);
      if (header.bnd !== hashOf(binding)) throw new DecryptionError('bound to something else');
      return JSON.parse(plaintext) as Record<string, unknown>;
    } catch {
      throw new DecryptionError('the sealed payload cannot be opened');
    }
  }

  #contentKey(ticket: unknown): Promise<KeyObject> {
    if (typeof ticket !== 'string') return Promise.reject(new DecryptionError('no ticket'));
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
        if (!key) throw new DecryptionError('unknown sealing key');
        return key;
      },
      { keyManagementAlgorithms: [ALGORITHM], contentEncryptionAlgorithms: [ENCRYPTION] },
    );
    if (plaintext.length !== KEY_BYTES) throw new DecryptionError('not a content key');
    return createSecretKey(plaintext);
  }
}

interface DirectHeader {
  readonly alg?: unknown;
  readonly enc?: unknown;
  readonly tkt?: unknown;
  readonly bnd?: unknown;
}

const hashOf = (binding: string): string => createHash('sha256').update(binding).digest('base64url');

/** A new pair of key sets: the private one for the verification service, the public one for the adapters. */
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
