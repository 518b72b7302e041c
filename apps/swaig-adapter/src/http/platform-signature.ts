import { createHmac } from 'node:crypto';
import { constantTimeEquals, type Secret } from '@countersign/crypto';

/**
 * Whether the platform signed a request: hexadecimal HMAC-SHA1 over the public address and the raw body, nothing in
 * between (SignalWire, "Webhook security"). SHA-1 is the platform's choice; as an HMAC it still holds.
 * @param url the public address with path and query, without credentials
 */
export function isSignedByPlatform(signature: string, key: Secret, url: string, body: Buffer): boolean {
  const expected = createHmac('sha1', key.reveal()).update(url).update(body).digest('hex');
  return constantTimeEquals(signature.trim().toLowerCase(), expected);
}
