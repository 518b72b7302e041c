import { createHmac } from 'node:crypto';
import { constantTimeEquals, type Secret } from '@countersign/crypto';

/**
 * Whether the platform signed a request: hexadecimal HMAC-SHA1 over the public address followed directly by the raw body
 * (SignalWire, "Webhook security"). The platform chose SHA-1; it is still secure as an HMAC.
 * @param url the public address with path and query, without credentials
 */
export function isSignedByPlatform(signature: string, key: Secret, url: string, body: Buffer): boolean {
  const expected = createHmac('sha1', key.reveal()).update(url).update(body).digest('hex');
  return constantTimeEquals(signature.trim().toLowerCase(), expected);
}
