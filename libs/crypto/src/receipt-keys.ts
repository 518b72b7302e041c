import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { type JWK } from 'jose';
import { checkKeyPair, type KeyCheck } from './key-check.js';
import { type Secret } from './secret.js';

/** The claims of a receipt (product contract, section 4). Times are whole seconds since 1970, on the database's clock. */
export interface ReceiptClaims {
  readonly iss: string;
  /** The tenant. */
  readonly aud: string;
  /** The subject. */
  readonly sub: string;
  readonly call_id?: string;
  readonly agent: string;
  readonly level: string;
  readonly method: string;
  /** Id of the verification; there is one receipt per verification. */
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
}

/** A public key in a published JSON Web Key Set (RFC 7517, RFC 8037). */
export type PublicKey = Readonly<Record<'kty' | 'crv' | 'x' | 'kid' | 'alg' | 'use', string>>;

const ALGORITHM = 'EdDSA';
/** The signed text of a JWT has no line break, so a receipt is never accepted as an answer, nor an answer as a receipt. */
const ANSWER_DOMAIN = 'countersign answer\n';
/** In characters. A receipt has about 600; a longer text is not parsed. */
const MAX_RECEIPT_LENGTH = 4096;

/**
 * The public keys that verify receipts and the answers of verification. All keys verify, so a key can be changed while
 * receipts of the old one are valid. EdDSA over Ed25519 (RFC 8037) with node:crypto instead of jose; the reason is at
 * {@link encryptDirect}.
 */
export class ReceiptPublicKeys {
  protected constructor(
    private readonly verifiers: ReadonlyMap<string, KeyObject>,
    /** The public keys in the order of the setting. */
    readonly published: readonly PublicKey[],
  ) {}

  /**
   * @param jwks JSON Web Key Set with public Ed25519 keys, each with its `kid`
   * @throws Error that names the rule and contains nothing of the text
   */
  static fromPublicKeySet(jwks: string): ReceiptPublicKeys {
    const keys = parse(jwks);
    if (keys.length === 0) throw new Error('must be a JSON Web Key Set with at least one key');
    if (keys.some((key) => 'd' in key)) throw new Error('must hold public keys only: remove the member "d"');
    return new ReceiptPublicKeys(...publicHalves(keys));
  }

  /** Check values of all keys; the one that signs is first. */
  get checks(): KeyCheck[] {
    return this.published.map(checkKeyPair);
  }

  /**
   * The claims of a receipt that one of these keys signed; undefined for every other text. The caller must check audience and
   * expiry.
   */
  verify(receipt: string): ReceiptClaims | undefined {
    const parts = receipt.split('.');
    const [header = '', claims = '', signature = ''] = parts;
    if (parts.length !== 3 || receipt.length > MAX_RECEIPT_LENGTH) return undefined;
    try {
      const { alg, kid, crit } = read(header);
      if (alg !== ALGORITHM || typeof kid !== 'string' || crit !== undefined) return undefined;
      return this.#check(`${header}.${claims}`, signature, kid)
        ? (read(claims) as unknown as ReceiptClaims)
        : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether one of these keys signed the text as an answer, by {@link ReceiptKeys.signAnswer}. */
  isAnswer(text: string, proof: string): boolean {
    const [kid = '', signature = '', ...rest] = proof.split('.');
    return rest.length === 0 && this.#check(ANSWER_DOMAIN + text, signature, kid);
  }

  #check(input: string, signature: string, kid: string): boolean {
    const key = this.verifiers.get(kid);
    const bytes = Buffer.from(signature, 'base64url');
    // Only the canonical spelling: a consumed receipt must not be accepted again as another text with the same bytes.
    if (key === undefined || bytes.toString('base64url') !== signature) return false;
    return verify(null, Buffer.from(input), key, bytes);
  }
}

/** The private keys. Only the verification service has them. The first signs; all verify and are published. */
export class ReceiptKeys extends ReceiptPublicKeys {
  private constructor(
    private readonly signer: KeyObject,
    private readonly signerId: string,
    halves: PublicHalves,
  ) {
    super(...halves);
  }

  /**
   * @param jwks JSON Web Key Set with Ed25519 keys, each with its `kid`; the first one private, the others either
   * @throws Error that names the rule and contains nothing of the text
   */
  static fromKeySet(jwks: Secret): ReceiptKeys {
    const keys = parse(jwks.reveal());
    const [first] = keys;
    if (first === undefined) throw new Error('must be a JSON Web Key Set with at least one key');
    if (first.d === undefined) throw new Error('must begin with a private key: its member "d" is missing');
    const { d, x = '', kid = '' } = first;
    const halves = publicHalves(keys);
    const signer = keyOf(() => createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x, d }, format: 'jwk' }));
    const created = new ReceiptKeys(signer, kid, halves);
    if (created.isAnswer('probe', created.signAnswer('probe'))) return created;
    throw new Error('must hold whole keys: "d" and "x" of the first do not belong together');
  }

  /** A compact JWT (RFC 7519). The same claims always give the same text. */
  sign(claims: ReceiptClaims): string {
    const header = { alg: ALGORITHM, kid: this.signerId, typ: 'JWT' };
    const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${input}.${this.#sign(input)}`;
  }

  /** `<kid>.<signature>`: proves to a holder of the public key that this service wrote the text. */
  signAnswer(text: string): string {
    return `${this.signerId}.${this.#sign(ANSWER_DOMAIN + text)}`;
  }

  #sign(input: string): string {
    return sign(null, Buffer.from(input), this.signer).toString('base64url');
  }
}

type PublicHalves = readonly [verifiers: ReadonlyMap<string, KeyObject>, published: readonly PublicKey[]];

function publicHalves(keys: readonly JWK[]): PublicHalves {
  const verifiers = new Map<string, KeyObject>();
  const published: PublicKey[] = [];
  for (const { kid = '', x = '' } of keys) {
    // signAnswer writes the key id before a dot.
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(kid) || verifiers.has(kid)) {
      throw new Error('must name each key by a "kid" of its own: at most 64 letters, digits, _ or -');
    }
    const jwk = { kty: 'OKP', crv: 'Ed25519', x };
    verifiers.set(
      kid,
      keyOf(() => createPublicKey({ key: jwk, format: 'jwk' })),
    );
    published.push({ ...jwk, kid, alg: ALGORITHM, use: 'sig' });
  }
  return [verifiers, published];
}

/** The public half of a key set for RECEIPT_KEYS, for the setting RECEIPT_PUBLIC_KEYS. @throws Error as {@link ReceiptKeys} */
export function receiptPublicKeysOf(jwks: Secret): string {
  return JSON.stringify({ keys: ReceiptKeys.fromKeySet(jwks).published });
}

/** A new key set with one private key, for the setting RECEIPT_KEYS. */
export function createReceiptKeys(keyId: string): string {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return JSON.stringify({ keys: [{ ...jwk, kid: keyId, use: 'sig' }] });
}

function read(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
}

function parse(text: string): JWK[] {
  let keys: unknown;
  try {
    keys = (JSON.parse(text) as { keys?: unknown }).keys;
  } catch {
    throw new Error('must be a JSON Web Key Set');
  }
  if (!Array.isArray(keys)) throw new Error('must be a JSON Web Key Set');
  for (const key of keys as JWK[]) {
    if (key.kty !== 'OKP' || key.crv !== 'Ed25519') throw new Error('must hold keys of type OKP, curve Ed25519');
  }
  return keys as JWK[];
}

/** Replaces the error of the library, which can quote the key. */
function keyOf(make: () => KeyObject): KeyObject {
  try {
    return make();
  } catch {
    throw new Error('must hold whole keys: "x", and "d" of the first, are base64url of 32 bytes');
  }
}
