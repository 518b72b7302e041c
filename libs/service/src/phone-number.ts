import { parsePhoneNumberFromString } from 'libphonenumber-js/max';

/**
 * The E.164 form of a telephone number, whatever its spelling: with or without spaces, dashes, brackets, `tel:`.
 * Undefined for everything that is no possible number: SIP URIs, names, nothing at all.
 * @param text with a country code: a number without one is nobody's
 */
export function toE164(text: string): string | undefined {
  if (text.length > 64 || text.includes('@')) return undefined;
  const parsed = parsePhoneNumberFromString(text.normalize('NFKC').replace(/^tel:/i, ''), { extract: false });
  return parsed?.isPossible() && parsed.ext === undefined ? parsed.number : undefined;
}
