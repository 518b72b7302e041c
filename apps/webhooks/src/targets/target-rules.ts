import { isIP } from 'node:net';
import { MAX_WEBHOOK_URL_LENGTH, WEBHOOK_URL_PATTERN } from '@countersign/contracts';
import { isAllowedAddress, type AllowedNetwork } from './addresses.js';

/** What an installation allows beyond https to public addresses. */
export interface TargetRules {
  readonly allowsHttp: boolean;
  readonly allowedNetworks: readonly AllowedNetwork[];
}

/** The part of a URL that a connection needs. */
export interface ParsedTarget {
  readonly url: URL;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly isAddress: boolean;
}

/** Ports below this one belong to services of the system; a mail or a database server must not read our requests. */
const FIRST_FREE_PORT = 1024;

/**
 * Parses a URL and checks all that can be checked before its host is resolved. The parser of URLs reads every spelling of an
 * IPv4 address (decimal, octal, hexadecimal, short), as the resolver of the system would.
 * @returns the rule that the URL violates, without any part of it
 */
export function parseTarget(text: string, rules: TargetRules): ParsedTarget | { readonly rule: string } {
  if (!WEBHOOK_URL_PATTERN.test(text) || !URL.canParse(text)) {
    return { rule: `must be a URL of at most ${MAX_WEBHOOK_URL_LENGTH} printable ASCII characters` };
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(rules.allowsHttp && url.protocol === 'http:')) {
    return { rule: rules.allowsHttp ? 'must begin with https:// or http://' : 'must begin with https://' };
  }
  if (url.username !== '' || url.password !== '') return { rule: 'must not hold a user name or a password' };
  if (url.hash !== '' || text.includes('#')) return { rule: 'must not have a fragment' };
  if (url.port !== '' && !isAllowedPort(url)) {
    return { rule: `must have the port of its scheme, or a port from ${FIRST_FREE_PORT} on` };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isAddress = isIP(host) !== 0;
  if (isAddress && !isAllowedAddress(host, rules.allowedNetworks)) return { rule: NOT_PUBLIC };
  return { url, host, isAddress };
}

export const NOT_PUBLIC = 'must lead to a public address: loopback, private, link-local and reserved ones are refused';
export const NOT_RESOLVED = 'must have a host name that the DNS resolves';

/** The port of the scheme is left out by the parser; 443 and 80 stay with the other scheme. */
function isAllowedPort({ port }: URL): boolean {
  return port === '443' || port === '80' || Number(port) >= FIRST_FREE_PORT;
}
