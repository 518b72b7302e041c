import { createHmac, randomBytes } from 'node:crypto';
import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';
import { type FastifyReply, type FastifyRequest } from 'fastify';

/** The value of a cookie: an id of 256 random bits as base64url, and its tag. */
const VALUE_PATTERN = /^([\w-]{43})\.([0-9a-f]{32})$/;
const TAG_DIGITS = 32;
const TAG_PURPOSE = 'cookie of an operator';

export const createSessionId = (): string => randomBytes(32).toString('base64url');

/**
 * A value that only the holder of an id knows: another holder of its SHA-256, such as the database, cannot compute it.
 * @param purpose a different one for each value
 */
export const derivedFrom = (id: string, purpose: string): string =>
  createHmac('sha256', id).update(`countersign ${purpose}`).digest('base64url');

export const csrfTokenOf = (sessionId: string): string => derivedFrom(sessionId, 'csrf token');

/** @param origin of the console */
const isSecure = (origin: string): boolean => origin.startsWith('https:');

/**
 * The cookie of a session, and that of a sign-in at the provider. A cookie `__Host-…` can be set by this host alone, over TLS.
 * Browsers do not set such a cookie over plain http, so it has another name there.
 */
export const COOKIES = {
  session: { name: 'countersign', sameSite: 'Strict' },
  /** The provider sends the browser back from another site, which `Strict` would keep the cookie from. */
  signIn: { name: 'countersign-sign-in', sameSite: 'Lax' },
  /** The hash of the session that a sign-in replaces: its own cookie does not come back from the provider. */
  replaced: { name: 'countersign-replaced', sameSite: 'Lax' },
} as const;
type Cookie = (typeof COOKIES)[keyof typeof COOKIES];

/** The tag is an HMAC under a key of this installation. A forged cookie costs an HMAC, and no request over the bus. */
export const cookieValueOf = (hash: KeyedHash, { name }: Cookie, id: string): string =>
  `${id}.${hash.hash(TAG_PURPOSE, name, id).slice(0, TAG_DIGITS)}`;

const nameOf = ({ name }: Cookie, origin: string): string => (isSecure(origin) ? `__Host-${name}` : name);

/** @returns the id; undefined: no cookie of this name, several, or a value that this installation did not make */
export function readCookie(
  request: FastifyRequest,
  hash: KeyedHash,
  cookie: Cookie,
  origin: string,
): string | undefined {
  const prefix = `${nameOf(cookie, origin)}=`;
  const values = (request.headers.cookie ?? '').split(/; */).filter((pair) => pair.startsWith(prefix));
  const [, id = '', tag = ''] = VALUE_PATTERN.exec(values[0]?.slice(prefix.length) ?? '') ?? [];
  if (values.length !== 1 || id === '') return undefined;
  const tags = hash.hashes(TAG_PURPOSE, cookie.name, id).map((one) => one.slice(0, TAG_DIGITS));
  return tags.some((one) => constantTimeEquals(one, tag)) ? id : undefined;
}

/** @param id undefined removes the cookie. @param maxAgeSeconds of the cookie; the row decides when the id ends */
export function setCookie(
  reply: FastifyReply,
  hash: KeyedHash,
  cookie: Cookie,
  origin: string,
  id: string | undefined,
  maxAgeSeconds = 0,
): void {
  const { sameSite } = cookie;
  const value = id === undefined ? '' : cookieValueOf(hash, cookie, id);
  const attributes = ['Path=/', 'HttpOnly', `SameSite=${sameSite}`, `Max-Age=${maxAgeSeconds}`];
  const all = [`${nameOf(cookie, origin)}=${value}`, ...attributes, ...(isSecure(origin) ? ['Secure'] : [])];
  // Fastify adds a further header of this name.
  void reply.header('set-cookie', all.join('; '));
}

/** Whether a browser says that the page of another site sent the request, or a link there. */
export function isCrossSite({ headers }: FastifyRequest, origin: string): boolean {
  const { origin: from, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return from !== undefined && from !== origin;
}

/** Whether the request has the token of its session. */
export function hasCsrfToken({ headers }: FastifyRequest, sessionId: string): boolean {
  const sent = headers['x-csrf-token'];
  return typeof sent === 'string' && constantTimeEquals(sent, csrfTokenOf(sessionId));
}
