import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'csk_';
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 is more than 2^256. */
const RANDOM_DIGITS = 43;
/** 62^6 is more than 2^32. */
const CHECKSUM_DIGITS = 6;
const PATTERN = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_DIGITS + CHECKSUM_DIGITS}}$`);

/**
 * A new API key of 256 random bits: `csk_`, 43 random digits of base 62, and the CRC-32 of all before it in 6 digits. The
 * prefix and the checksum let scanners find a key that was published by mistake without false alarms.
 */
export function createApiKey(): string {
  let key = PREFIX;
  for (let count = 0; count < RANDOM_DIGITS; count++) key += DIGITS.charAt(randomInt(DIGITS.length));
  return key + checksumOf(key);
}

/** Whether a text begins like an API key and cannot be one, because its length or its checksum is wrong. */
export function isMistypedApiKey(text: string): boolean {
  if (!text.startsWith(PREFIX)) return false;
  return !PATTERN.test(text) || checksumOf(text.slice(0, -CHECKSUM_DIGITS)) !== text.slice(-CHECKSUM_DIGITS);
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let count = 0; count < CHECKSUM_DIGITS; count++) {
    digits = DIGITS.charAt(rest % DIGITS.length) + digits;
    rest = Math.floor(rest / DIGITS.length);
  }
  return digits;
}
