import { EvidenceError } from './evidence-error.js';

/** @returns undefined unless the text is the one base64 form of its bytes (RFC 4648 section 4): padded, no spare bits */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** @returns undefined unless the text is a decimal number without leading zeros, at most 2^53 - 1 */
export function parseDecimal(text: string): number | undefined {
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** UTF-8 without control characters other than newline (c2sp.org/signed-note, "Format"). @throws EvidenceError */
export function decodeText(data: Uint8Array | string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      typeof data === 'string' ? Buffer.from(data) : data,
    );
  } catch {
    throw new EvidenceError('the text is not UTF-8');
  }
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new EvidenceError('the text has control characters');
  return text;
}
