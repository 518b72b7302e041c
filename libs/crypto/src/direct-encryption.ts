import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { DecryptionError } from './keyring.js';
import { pooledRandomBytes } from './pooled-random.js';

/** NIST SP 800-38D: a nonce of 96 bits, and the whole tag. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * JWE compact serialization with direct encryption (RFC 7516 section 7.1, RFC 7518 sections 4.5 and 5.3). Hand-written,
 * because the Web Crypto API that jose uses changes threads for every call: 0.12 ms of processor time instead of 0.01.
 * @param header with `alg: 'dir'` and `enc: 'A256GCM'`; authenticated, but not encrypted
 */
export function encryptDirect(key: KeyObject, header: object, plaintext: string): string {
  const protectedHeader = Buffer.from(JSON.stringify(header)).toString('base64url');
  const nonce = pooledRandomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(protectedHeader, 'ascii'));
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return `${protectedHeader}..${parts.join('.')}`;
}

/** @throws Error when it has another form, was encrypted under another key, or was changed */
export function decryptDirect(key: KeyObject, sealed: string): string {
  const [protectedHeader = '', wrappedKey, ...rest] = sealed.split('.');
  const [nonce, ciphertext, tag] = rest.map((part) => Buffer.from(part, 'base64url'));
  if (wrappedKey !== '' || rest.length !== 3 || nonce?.length !== NONCE_BYTES || tag?.length !== TAG_BYTES) {
    throw new DecryptionError('the text is no compact JWE with direct encryption');
  }
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(protectedHeader, 'ascii'));
  decipher.setAuthTag(tag);
  return decipher.update(ciphertext ?? Buffer.alloc(0), undefined, 'utf8') + decipher.final('utf8');
}
