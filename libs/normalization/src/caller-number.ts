import {
  getCountryCallingCode,
  getCountries,
  isSupportedCountry,
  parsePhoneNumberFromString,
  type CountryCode,
} from 'libphonenumber-js/max';
import { toE164 } from './phone-number.js';

/** Longest accepted text: a display name and an address with its parameters. */
const MAX_LENGTH = 1024;

const DISPLAY_NAME = /^"(?:[^"\\]|\\.)*"\s*(?=<)/;
const IN_BRACKETS = /^[^<>]*<([^<>]*)>([^<>]*)$/;
const ATTESTATION = /^(?:tn-validation-(?:passed|failed)(?:-[abc])?(?:-(?:diverted|passthrough))?|no-tn-validation)$/i;
/** A number without a country code: digits of any script and the usual separators. */
const NATIONAL = /^[\p{Nd}\s().,/\p{Pd}]{4,40}$/u;

/** The platform's claims about the caller. Unproven: the operator of a SIP trunk can send any value. */
export interface CallerNumber {
  /** Undefined when the caller shows no telephone number. */
  readonly e164?: string;
  /** The parameter `verstat` in its standard spelling. */
  readonly attestation?: string;
}

interface Address {
  readonly scheme: 'tel' | 'sip' | 'none';
  readonly number: string;
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

/**
 * Reads a caller from an E.164 number, a `tel:` URI, or a `sip:` or `sips:` URI, with display name, angle brackets and
 * parameters. The user part of a SIP URI is a number if it begins with a plus or if the URI has `user=phone` (RFC 3261,
 * 19.1.1); otherwise it is a name in its domain. A number with an extension or a subaddress is ignored, because the person
 * at the extension is not the subscriber of the number.
 * @param defaultCountry country (ISO 3166) of numbers without a plus; null ignores such numbers
 */
export function readCaller(text: string, defaultCountry: string | null): CallerNumber {
  if (text.length > MAX_LENGTH) return {};
  const address = addressIn(text.replace(/\p{Cf}/gu, '').trim());
  if (address === undefined) return {};
  const e164 = numberOf(address, defaultCountry);
  const attestation = attestationIn(address.parameters.get('verstat') ?? []);
  return { ...(e164 === undefined ? {} : { e164 }), ...(attestation === undefined ? {} : { attestation }) };
}

/** ISO 3166 codes of the countries that have telephone numbers of their own. */
export const PHONE_COUNTRIES: readonly string[] = getCountries().toSorted();

/** Whether a country (ISO 3166) has telephone numbers of its own. */
export function isPhoneCountry(country: string): country is CountryCode {
  return isSupportedCountry(country);
}

/** Undefined when the text is not exactly one address. */
function addressIn(text: string): Address | undefined {
  const bare = text.replace(DISPLAY_NAME, '');
  if (!/[<>]/.test(bare)) return uriIn(bare, '');
  const [, uri, after = ''] = IN_BRACKETS.exec(bare) ?? [];
  return uri === undefined || after.includes(',') ? undefined : uriIn(uri.trim(), after);
}

function uriIn(uri: string, headerParameters: string): Address | undefined {
  const [, scheme = '', rest = ''] = /^(?:(sips?|tel): ?)?(.*)$/is.exec(uri) ?? [];
  if (scheme === '' || scheme.toLowerCase() === 'tel') {
    const [number = '', ...parameters] = rest.split(';');
    const all = [...parameters, ...headerParameters.split(';')];
    return { scheme: scheme === '' ? 'none' : 'tel', number, parameters: byName(all) };
  }
  const [user, host, ...more] = rest.split('@');
  if (user === undefined || host === undefined || more.length > 0) return undefined;
  const [number = '', ...parameters] = decoded(user).split(';');
  const [, ...uriParameters] = (host.split('?')[0] ?? '').split(';');
  return {
    scheme: 'sip',
    number,
    parameters: byName([...parameters, ...uriParameters, ...headerParameters.split(';')]),
  };
}

/** Reserved characters of the user part can be escaped: `%2B1202…`. */
function decoded(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

function byName(parameters: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const parameter of parameters) {
    const [name = '', ...value] = parameter.split('=');
    const key = name.trim().toLowerCase();
    values.set(key, [...(values.get(key) ?? []), value.join('=').trim()]);
  }
  return values;
}

function numberOf({ scheme, number, parameters }: Address, country: string | null): string | undefined {
  // The person at an extension is not the subscriber of the number.
  if (number.includes(':') || parameters.has('ext') || parameters.has('isub')) return undefined;
  const global = toE164(number);
  if (global !== undefined) return global;
  const isNumber = scheme !== 'sip' || parameters.get('user')?.some((value) => value.toLowerCase() === 'phone');
  if (!isNumber || !NATIONAL.test(number)) return undefined;
  const contexts = parameters.get('phone-context');
  // A context that is a domain stands for a private numbering plan.
  if (contexts)
    return contexts.length === 1 && /^\+[0-9]+$/.test(contexts[0] ?? '')
      ? toE164(`${contexts[0]}${number}`)
      : undefined;
  return country === null ? undefined : nationalToE164(number, country);
}

/**
 * Reads a number without a plus as a number of the country: as dialled there, or in E.164 form without the plus. Undefined
 * when it is neither, or when the two readings differ. Accepts only assigned numbers, because only the country supports
 * the reading.
 */
function nationalToE164(text: string, country: string): string | undefined {
  if (!isPhoneCountry(country)) return undefined;
  const code = getCountryCallingCode(country);
  const dialled = parsePhoneNumberFromString(text, { defaultCountry: country, extract: false });
  const international = parsePhoneNumberFromString(`+${text.replace(/[^\p{Nd}]/gu, '')}`, { extract: false });
  const readings = new Set<string>();
  if (dialled?.isValid() && dialled.ext === undefined) readings.add(dialled.number);
  if (international?.isValid() && international.countryCallingCode === code) readings.add(international.number);
  const [number] = readings;
  return number !== undefined && readings.size === 1 ? toE164(number) : undefined;
}

/** Undefined when the address contains two different attestations. */
function attestationIn(values: readonly string[]): string | undefined {
  const found = new Set(values.filter((value) => ATTESTATION.test(value)).map(inStandardSpelling));
  return found.size === 1 ? [...found][0] : undefined;
}

function inStandardSpelling(value: string): string {
  const words = value.toLowerCase().split('-');
  return words.map((word) => (word === 'tn' ? 'TN' : `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)).join('-');
}
