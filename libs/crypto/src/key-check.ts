import { createHash, createHmac } from 'node:crypto';

/** The shortest accepted key, in bytes: 256 bits. */
export const KEY_BYTES = 32;

/** Proves that two processes hold the same key, and reveals nothing else about it. May be stored and published. */
export interface KeyCheck {
  /** The id under which a keyring or key set holds the key; of a key without an id, the first 16 digits of `value`. */
  readonly keyId: string;
  /** 64 hexadecimal digits. */
  readonly value: string;
}

/** Message whose HMAC is the check value of a secret key. No other code may compute a keyed hash of it. */
const CHECK_MESSAGE = 'countersign key check value';

/** Check value of a secret key: HMAC-SHA256 of a constant, which reveals nothing about a random 256-bit key. */
export function checkSecretKey(key: Buffer, keyId?: string): KeyCheck {
  const value = createHmac('sha256', key).update(CHECK_MESSAGE).digest('hex');
  return { keyId: keyId ?? value.slice(0, 16), value };
}

/** Check value of a key pair: the JWK thumbprint of its public half (RFC 7638, RFC 8037 section 2), the same for both halves. */
export function checkKeyPair(jwk: { readonly crv?: string; readonly x?: string; readonly kid?: string }): KeyCheck {
  const members = JSON.stringify({ crv: jwk.crv, kty: 'OKP', x: jwk.x });
  return { keyId: jwk.kid ?? '', value: createHash('sha256').update(members).digest('hex') };
}
