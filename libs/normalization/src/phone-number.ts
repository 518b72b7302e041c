import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { isWithheldNumber } from './withheld-numbers.js';

/**
 * The E.164 form of a telephone number, whatever its spelling: with or without spaces, dashes, dots, slashes, brackets,
 * `tel:`, invisible characters; in ASCII, full-width or Arabic digits. It is its own E.164 form.
 * Undefined for everything that is no possible number: SIP URIs, numbers with an extension or another parameter, names,
 * a provider's spelling of "no number" ({@link isWithheldNumber}), nothing at all.
 * @param text with a plus and a country code: a number without is another one in every country
 */
export function toE164(text: string): string | undefined {
  if (text.length > 64) return undefined;
  const plain = withoutOrnaments(text);
  // No `@` and no parameters: they name a domain, an extension, a subaddress; and to the same number with a
  // `phone-context` the library (1.13) gives another answer every other time.
  if (!/^\+[^;@]*$/.test(plain)) return undefined;
  const number = parsed(plain);
  // One adapter reads it to look for it, another one and the service read it to store it: both must find the same.
  return number === plain || (number !== undefined && parsed(number) === number) ? number : undefined;
}

/** What copying from a page or a list of contacts leaves around and in a number, and the brackets of "(+1) 202…". */
function withoutOrnaments(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^tel: ?/i, '')
    .replace(/^[([](\+[^()[\]]*)[)\]]/, '$1 ');
}

function parsed(text: string): string | undefined {
  const found = parsePhoneNumberFromString(text, { extract: false });
  if (!found?.isPossible() || found.ext !== undefined) return undefined;
  return isWithheldNumber(found.number) ? undefined : found.number;
}
