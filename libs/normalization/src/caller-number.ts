import {
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
  type CountryCode,
} from 'libphonenumber-js/max';
import { toE164 } from './phone-number.js';

/** Longest text that is looked at: a display name, an address with its parameters. */
const LONGEST = 1024;

const DISPLAY_NAME = /^"(?:[^"\\]|\\.)*"\s*(?=<)/;
const IN_BRACKETS = /^[^<>]*<([^<>]*)>([^<>]*)$/;
const ATTESTATION = /^(?:tn-validation-(?:passed|failed)(?:-[abc])?(?:-(?:diverted|passthrough))?|no-tn-validation)$/i;
/** A number without a country code: digits of any script, and what people write between them. */
const NATIONAL = /^[\p{Nd}\s().,/\p{Pd}]{4,40}$/u;

/** What a platform says of the caller. Both are claims: whoever controls a trunk can say anything. */
export interface CallerNumber {
  /** Undefined for everybody who shows no telephone number. */
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
 * Reads a caller from an E.164 number, a `tel:` URI, or a `sip:` or `sips:` URI, with a display name, angle brackets and
 * parameters. The user of a SIP URI is a number when it begins with a plus, or with `user=phone` (RFC 3261, 19.1.1);
 * everything else there is a name in its domain. An extension or a subaddress is somebody else than the number.
 * @param defaultCountry whose numbers those without a plus are; `null`: nobody's
 */
export function readCaller(text: string, defaultCountry: string | null): CallerNumber {
  if (text.length > LONGEST) return {};
  const address = addressIn(text.replace(/\p{Cf}/gu, '').trim());
  if (address === undefined) return {};
  const e164 = numberOf(address, defaultCountry);
  const attestation = attestationIn(address.parameters.get('verstat') ?? []);
  return { ...(e164 === undefined ? {} : { e164 }), ...(attestation === undefined ? {} : { attestation }) };
}

/** Whether a country (ISO 3166) has telephone numbers of its own. */
export function isPhoneCountry(country: string): country is CountryCode {
  return isSupportedCountry(country);
}

/** Undefined for what is no address, or more than one. */
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

/** Reserved characters of a user may be escaped: `%2B1202…`. */
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
  // Whoever answers at an extension is not whoever has the number.
  if (number.includes(':') || parameters.has('ext') || parameters.has('isub')) return undefined;
  const global = toE164(number);
  if (global !== undefined) return global;
  const isNumber = scheme !== 'sip' || parameters.get('user')?.some((value) => value.toLowerCase() === 'phone');
  if (!isNumber || !NATIONAL.test(number)) return undefined;
  const contexts = parameters.get('phone-context');
  // A context that is a domain names a numbering plan of its own.
  if (contexts)
    return contexts.length === 1 && /^\+[0-9]+$/.test(contexts[0] ?? '')
      ? toE164(`${contexts[0]}${number}`)
      : undefined;
  return country === null ? undefined : nationalToE164(number, country);
}

/**
 * A number without a plus, as one of a country: as it is dialled there, or in E.164 without the plus. Undefined when it is
 * neither, and when it is both and they differ. Only numbers that are assigned: nothing but the country says what it is.
 */
function nationalToE164(text: string, country: string): string | undefined {
  if (!isPhoneCountry(country)) return undefined;
  const code = getCountryCallingCode(country);
  const dialled = parsePhoneNumberFromString(text, { defaultCountry: country, extract: false });
  const international = parsePhoneNumberFromString(`+${text.replace(/[^\p{Nd}]/gu, '')}`, { extract: false });
  const found = new Set<string>();
  if (dialled?.isValid() && dialled.ext === undefined) found.add(dialled.number);
  if (international?.isValid() && international.countryCallingCode === code) found.add(international.number);
  const [number] = found;
  return number !== undefined && found.size === 1 ? toE164(number) : undefined;
}

/** Two different ones are none. */
function attestationIn(values: readonly string[]): string | undefined {
  const found = new Set(values.filter((value) => ATTESTATION.test(value)).map(inStandardSpelling));
  return found.size === 1 ? [...found][0] : undefined;
}

function inStandardSpelling(value: string): string {
  const words = value.toLowerCase().split('-');
  return words.map((word) => (word === 'tn' ? 'TN' : `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)).join('-');
}
