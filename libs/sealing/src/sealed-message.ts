import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { SealBrokenError } from './keyring.js';
import { type Secret } from './secret.js';

/** What a sealed payload belongs to. It is authenticated, so a seal cannot be moved to another command or tenant. */
export interface SealBinding {
  readonly commandId: string;
  readonly tenant: string;
}

const ALGORITHM = 'ECDH-ES';
const ENCRYPTION = 'A256GCM';

interface KeySet {
  keys?: JWK[];
}

/** Seals payloads for the verification service (JWE, RFC 7516; ECDH-ES over X25519, RFC 8037). Holds public keys only. */
export class Sealer {
  private constructor(
    private readonly key: CryptoKey,
    private readonly keyId: string,
  ) {}

  /**
   * @param jwks JSON Web Key Set with public X25519 keys; the first one seals
   * @throws Error that says what is wrong with the form
   */
  static async fromKeySet(jwks: string): Promise<Sealer> {
    const [first] = parseKeySet(jwks);
    if (first === undefined) throw new Error('must be a JSON Web Key Set with at least one key');
    if ('d' in first) throw new Error('must hold public keys only: remove the member "d"');
    return new Sealer((await importJWK(first, ALGORITHM)) as CryptoKey, first.kid ?? '');
  }

  async seal(payload: Record<string, unknown>, binding: SealBinding): Promise<string> {
    return new CompactEncrypt(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({
        alg: ALGORITHM,
        enc: ENCRYPTION,
        kid: this.keyId,
        cmd: binding.commandId,
        ten: binding.tenant,
      })
      .encrypt(this.key);
  }
}

/** Opens what a {@link Sealer} sealed. Lives in the verification service alone. */
export class Unsealer {
  private constructor(private readonly keys: ReadonlyMap<string, CryptoKey>) {}

  /**
   * @param jwks JSON Web Key Set with private X25519 keys; all of them open, so that keys can be changed under traffic
   * @throws Error that says what is wrong with the form, without any of the text
   */
  static async fromKeySet(jwks: Secret): Promise<Unsealer> {
    const keys = new Map<string, CryptoKey>();
    for (const jwk of parseKeySet(jwks.reveal())) {
      if (!('d' in jwk)) throw new Error('must hold private keys: the member "d" is missing');
      keys.set(jwk.kid ?? '', (await importJWK(jwk, ALGORITHM)) as CryptoKey);
    }
    if (keys.size === 0) throw new Error('must be a JSON Web Key Set with at least one key');
    return new Unsealer(keys);
  }

  /** @throws SealBrokenError when the seal is damaged, of an unknown key, or bound to something else */
  async unseal(sealed: string, binding: SealBinding): Promise<Record<string, unknown>> {
    try {
      const { plaintext, protectedHeader } = await compactDecrypt(
        sealed,
        ({ kid }) => {
          const key = this.keys.get(kid ?? '');
          if (!key) throw new SealBrokenError('unknown sealing key');
          return key;
        },
        { keyManagementAlgorithms: [ALGORITHM], contentEncryptionAlgorithms: [ENCRYPTION] },
      );
      if (protectedHeader['cmd'] !== binding.commandId || protectedHeader['ten'] !== binding.tenant) {
        throw new SealBrokenError('bound to another command');
      }
      return JSON.parse(Buffer.from(plaintext).toString('utf8')) as Record<string, unknown>;
    } catch {
      throw new SealBrokenError('the sealed payload cannot be opened');
    }
  }
}

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
