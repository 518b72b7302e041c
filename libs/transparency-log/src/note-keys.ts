import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { decodeBase64 } from './exact-text.js';
import { EvidenceError } from './evidence-error.js';

/** Signature types of c2sp.org/signed-note: by the log itself, and by a witness (c2sp.org/tlog-cosignature). */
export const SIGNATURE_TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;
export type SignatureType = (typeof SIGNATURE_TYPES)[keyof typeof SIGNATURE_TYPES];

/** Whose signatures are verified. */
export interface VerifierKey {
  readonly name: string;
  /** The first four bytes of a hash over name, type and public key, as 8 hexadecimal digits. */
  readonly id: string;
  readonly type: SignatureType;
  readonly publicKey: KeyObject;
}

/** The key of a signer. Prints no private key: only `sign` uses it. */
export interface SignerKey {
  readonly verifier: VerifierKey;
  sign(message: Uint8Array): Buffer;
}

const KEY_BYTES = 32;
/** DER before the 32 bytes of a raw Ed25519 key (RFC 8410 section 4 and 7). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A name is not empty and has no Unicode space and no plus (c2sp.org/signed-note, "Format"). */
export function isKeyName(name: string): boolean {
  return name !== '' && !/[\s\u0085+\u0000-\u001f\u007f]/u.test(name);
}

/**
 * Reads `<name>+<key id>+<base64 of type and public key>` (c2sp.org/signed-note, "Verifier keys").
 * @throws EvidenceError unless it is exactly the text that `formatVerifierKey` gives for the key
 */
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text);
  const material = match === null ? undefined : decodeBase64(match[3]!);
  const type = material?.[0];
  if (match === null || material?.length !== 1 + KEY_BYTES || !isKeyName(match[1]!))
    throw new EvidenceError('a verifier key has the form name+hash+base64, with an Ed25519 key');
  if (type !== SIGNATURE_TYPES.ed25519 && type !== SIGNATURE_TYPES.cosignature)
    throw new EvidenceError(`signature type ${type} is not supported`);
  const key = verifierOf(match[1]!, type, publicKeyOf(material.subarray(1)));
  if (key.id !== match[2]) throw new EvidenceError('the hash in the verifier key is not that of its name and key');
  return key;
}

/** The text of a verifier key, which anybody may have. */
export function formatVerifierKey(key: VerifierKey): string {
  return `${key.name}+${key.id}+${Buffer.concat([Buffer.of(key.type), rawPublicKey(key.publicKey)]).toString('base64')}`;
}

/**
 * @param privateKey an Ed25519 key
 * @param type what the signatures state; a witness has the type `cosignature`
 * @throws EvidenceError for a key of another kind, or a name that no note can bear
 */
export function signerKeyOf(
  name: string,
  privateKey: KeyObject,
  type: SignatureType = SIGNATURE_TYPES.ed25519,
): SignerKey {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519')
    throw new EvidenceError('the key of a signer is an Ed25519 private key');
  if (!isKeyName(name)) throw new EvidenceError('the name of a key has no spaces and no plus');
  const verifier = verifierOf(name, type, createPublicKey(privateKey));
  return { verifier, sign: (message) => signBytes(null, message, privateKey) };
}

/**
 * Reads `PRIVATE+KEY+<name>+<key id>+<base64 of type and seed>`, as golang.org/x/mod/sumdb/note writes it.
 * @throws EvidenceError without the text, which is secret
 */
export function parseSignerKey(text: string): SignerKey {
  const match = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text);
  const material = match === null ? undefined : decodeBase64(match[3]!);
  const type = material?.[0];
  if (match === null || material?.length !== 1 + KEY_BYTES || !isSignatureType(type))
    throw new EvidenceError('a signer key has the form PRIVATE+KEY+name+hash+base64, with an Ed25519 key');
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, material.subarray(1)]),
    format: 'der',
    type: 'pkcs8',
  });
  const signer = signerKeyOf(match[1]!, key, type);
  if (signer.verifier.id !== match[2]) throw new EvidenceError('the hash in the signer key is not that of its key');
  return signer;
}

/** A new signer key as secret text for `parseSignerKey`. */
export function createSignerKey(name: string, type: SignatureType = SIGNATURE_TYPES.ed25519): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { verifier } = signerKeyOf(name, privateKey, type);
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_HEAD.length);
  return `PRIVATE+KEY+${name}+${verifier.id}+${Buffer.concat([Buffer.of(type), seed]).toString('base64')}`;
}

/**
 * The key of a log for signatures that state their time (c2sp.org/tlog-cosignature). It has the same public key. A message with
 * a time is never the text of a checkpoint, whose second line is a number.
 */
export function timedKeyOf({ name, publicKey }: VerifierKey): VerifierKey {
  return verifierOf(name, SIGNATURE_TYPES.cosignature, publicKey);
}

function isSignatureType(type: number | undefined): type is SignatureType {
  return type === SIGNATURE_TYPES.ed25519 || type === SIGNATURE_TYPES.cosignature;
}

/** The id is SHA-256(name ‖ newline ‖ type ‖ public key)[:4] (c2sp.org/signed-note, "Signatures"). */
function verifierOf(name: string, type: SignatureType, publicKey: KeyObject): VerifierKey {
  const message = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), rawPublicKey(publicKey)]);
  return { name, id: hash('sha256', message, 'buffer').toString('hex', 0, 4), type, publicKey };
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' });
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);
}
