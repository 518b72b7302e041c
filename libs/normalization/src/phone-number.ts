import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { isWithheldNumber } from './withheld-numbers.js';

/** Longest accepted text, in UTF-16 code units. */
const MAX_LENGTH = 64;

/**
 * The E.164 form of a telephone number in any spelling: with spaces, dashes, dots, slashes, brackets, `tel:` or invisible
 * characters, in ASCII, full-width or Arabic digits. An E.164 number is returned unchanged.
 * @param text with a plus and a country code: without them the number depends on the country
 * @returns undefined for everything else: SIP URIs, numbers with an extension or another parameter, names, impossible
 * numbers, a provider's spelling of "no number" ({@link isWithheldNumber})
 */
export function toE164(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const plain = withoutDecoration(text);
  // No `@` and no parameters: they stand for a domain, an extension or a subaddress. Also, libphonenumber-js 1.13 returns
  // different results for repeated calls with the same `phone-context`.
  if (!/^\+[^;@]*$/.test(plain)) return undefined;
  const number = parsed(plain);
  // A number is normalized once to look it up and twice to store it, so the result must normalize to itself.
  return number === plain || (number !== undefined && parsed(number) === number) ? number : undefined;
}

/**
 * The country code and the last two digits of a number, such as `+44…58`: enough for a person who knows the number to
 * recognize it.
 * @param e164 a number that {@link toE164} returned
 */
export function maskedPhone(e164: string): string {
  const { countryCallingCode = '' } = parsePhoneNumberFromString(e164, { extract: false }) ?? {};
  return `+${countryCallingCode}…${e164.slice(-2)}`;
}

/** Removes invisible characters and spaces from copying, the scheme `tel:`, and the brackets of "(+1) 202…". */
function withoutDecoration(text: string): string {
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
