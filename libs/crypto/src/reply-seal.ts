import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { decryptDirect, encryptDirect } from './direct-encryption.js';
import { KEY_BYTES } from './key-check.js';
import { constantTimeEquals } from './keyed-hash.js';
import { DecryptionError } from './keyring.js';
import { pooledRandomBytes } from './pooled-random.js';

/**
 * A key for the secret part and the MAC of one reply: 32 random bytes as base64url. The adapter makes it for one request,
 * sends it in the sealed payload and drops it after the reply. Whoever reads the bus or a table cannot decrypt the reply.
 */
export function createReplyKey(): string {
  return pooledRandomBytes(KEY_BYTES).toString('base64url');
}

/**
 * Encrypts a text for the sender of the key: compact JWE, `dir`, A256GCM.
 * @returns undefined when the key is not valid
 */
export function sealReply(text: string, replyKey: unknown): string | undefined {
  const key = keyOf(replyKey);
  return key && encryptDirect(key, { alg: 'dir', enc: 'A256GCM' }, text);
}

/** @throws DecryptionError when it was encrypted under another key, or was changed */
export function openReply(sealed: string, replyKey: string): string {
  const key = keyOf(replyKey);
  try {
    if (key) return decryptDirect(key, sealed);
  } catch {
    // The reason would help a forger.
  }
  throw new DecryptionError('the reply was not encrypted for this request');
}

/** Separates the key of {@link answerMac} from every other use of a reply key. */
const ANSWER_MAC = 'countersign answer mac v1';

/**
 * Makes MACs of texts, which prove to the sender of the reply key that they are from the verification service: nobody else
 * can open the sealed payload with the key. HMAC-SHA-256 costs less than a tenth of an Ed25519 signature.
 * @returns undefined when the key is not valid; the MAC is base64url, so it has no dot and is never taken for a signature
 */
export function answerMac(replyKey: unknown): ((text: string) => string) | undefined {
  const key = keyOf(replyKey);
  if (key === undefined) return undefined;
  const macKey = createHmac('sha256', key).update(ANSWER_MAC).digest();
  return (text) => createHmac('sha256', macKey).update(text).digest('base64url');
}

/** Whether the MAC is that of the text under this reply key. Compares in constant time. */
export function isAnswerMac(text: string, mac: string, replyKey: string): boolean {
  const macOf = answerMac(replyKey);
  return macOf !== undefined && constantTimeEquals(mac, macOf(text));
}

/** The claims that a receipt must have to belong to a request and its reply. */
export interface ReceiptOf {
  readonly aud: string;
  readonly sub: string | undefined;
  readonly agent: string;
  readonly call_id: string | undefined;
  readonly level: string;
  readonly method: string;
  readonly jti: string | undefined;
}

/** A decrypted receipt. */
export interface OpenedReceipt {
  readonly receipt: string;
  /** Its expiry in seconds since 1970. */
  readonly exp: number;
}

/**
 * Decrypts the receipt of a reply. Only a service that could open the request knows the key.
 * @throws DecryptionError when there is no receipt, or it was encrypted under another key or belongs to another reply
 */
export function openReceipt(sealed: string | undefined, replyKey: string, expected: ReceiptOf): OpenedReceipt {
  const receipt = openReply(sealed ?? '', replyKey);
  const claims = claimsIn(receipt);
  const { exp } = claims;
  if (typeof exp === 'number' && Object.entries(expected).every(([name, value]) => claims[name] === value)) {
    return { receipt, exp };
  }
  throw new DecryptionError('the receipt belongs to another reply');
}

/** Empty for a text that is not a JWT. */
function claimsIn(receipt: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(receipt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function keyOf(replyKey: unknown): KeyObject | undefined {
  const bytes = Buffer.from(typeof replyKey === 'string' ? replyKey : '', 'base64url');
  return bytes.length === KEY_BYTES ? createSecretKey(bytes) : undefined;
}
