import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { decryptDirect, encryptDirect } from './direct-encryption.js';
import { KEY_BYTES } from './key-check.js';
import { DecryptionError } from './keyring.js';

/**
 * A key for the secret part of one answer: 32 random bytes as base64url. The asker makes it, seals it into its question,
 * and forgets it with the answer, so nobody who reads the bus or a table can open what came back.
 */
export function createReplyKey(): string {
  return randomBytes(KEY_BYTES).toString('base64url');
}

/**
 * Seals a text for the one who made the key: compact JWE, `dir`, A256GCM.
 * @returns undefined when the key is none: nobody could open it
 */
export function sealReply(text: string, replyKey: unknown): string | undefined {
  const key = keyOf(replyKey);
  return key && encryptDirect(key, { alg: 'dir', enc: 'A256GCM' }, text);
}

/** @throws SealBrokenError when it was not sealed under this key, or was changed */
export function openReply(sealed: string, replyKey: string): string {
  const key = keyOf(replyKey);
  try {
    if (key) return decryptDirect(key, sealed);
  } catch {
    // The reason would tell a forger what to mend.
  }
  throw new DecryptionError('the answer was not sealed for this question');
}

/** What a receipt must say to belong to a request and its answer. */
export interface ReceiptOf {
  readonly aud: string;
  readonly sub: string | undefined;
  readonly agent: string;
  readonly call_id: string | undefined;
  readonly level: string;
  readonly method: string;
  readonly jti: string | undefined;
}

/** A receipt in clear. */
export interface OpenedReceipt {
  readonly receipt: string;
  /** When it ends, in seconds since 1970. */
  readonly exp: number;
}

/**
 * The receipt of an answer, in clear. Only who could open the question knows the key.
 * @throws SealBrokenError when there is none, when it was not sealed under this key, or when it is of another answer
 */
export function openReceipt(sealed: string | undefined, replyKey: string, expected: ReceiptOf): OpenedReceipt {
  const receipt = openReply(sealed ?? '', replyKey);
  const claims = claimsIn(receipt);
  const { exp } = claims;
  if (typeof exp === 'number' && Object.entries(expected).every(([name, value]) => claims[name] === value)) {
    return { receipt, exp };
  }
  throw new DecryptionError('the receipt is that of another answer');
}

/** Empty for what is no receipt. */
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
