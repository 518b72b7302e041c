import { createRemoteJWKSet, customFetch, errors, jwtVerify, type FetchImplementation, type JWTPayload } from 'jose';

/** Asymmetric algorithms only: with `none` or HS256 and a public key, anybody could sign. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** Longest token, in characters: a longer one is not parsed. */
const MAX_LENGTH = 16_384;
const CLOCK_TOLERANCE_SECONDS = 5;
const FETCH_TIMEOUT_MS = 5_000;
/** A logout token is sent at once; an older one is a replay that nobody remembers. */
const LOGOUT_TOKEN_SECONDS = 600;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

export type TokenClaims = Readonly<Record<string, unknown>> & { readonly sub: string };

/** What a logout token names: a session, or all sessions of a person. */
export interface LogoutClaims {
  readonly jti: string;
  readonly sub?: string;
  readonly sid?: string;
}

/** Verifies tokens that an OpenID provider signed. Its keys are read when they are needed, and an unknown one at most every 30 s. */
export class ProviderTokens {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  /**
   * @param now milliseconds since 1970
   * @param fetchKeys reads the keys in place of `fetch`
   */
  constructor(
    private readonly issuer: string,
    jwksUri: URL,
    private readonly now: () => number,
    fetchKeys: FetchImplementation = fetch,
  ) {
    this.#keys = createRemoteJWKSet(jwksUri, { timeoutDuration: FETCH_TIMEOUT_MS, [customFetch]: fetchKeys });
  }

  /**
   * The claims of an access token (RFC 9068) for this audience; undefined for every other text.
   * @throws Error when the keys of the provider cannot be read
   */
  async accessToken(token: string, audience: string): Promise<TokenClaims | undefined> {
    const claims = await this.#verify(token, audience, ['jwt', 'at+jwt'], ['exp', 'sub']);
    return claims as TokenClaims | undefined;
  }

  /**
   * The claims of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6); undefined for every other text. The
   * caller must accept each `jti` once.
   * @throws Error when the keys of the provider cannot be read
   */
  async logoutToken(token: string, clientId: string): Promise<LogoutClaims | undefined> {
    const claims = await this.#verify(
      token,
      clientId,
      ['jwt', 'logout+jwt'],
      ['exp', 'iat', 'jti'],
      LOGOUT_TOKEN_SECONDS,
    );
    if (claims === undefined) return undefined;
    const { jti, sub, sid, events, nonce } = claims;
    const isLogout = typeof events === 'object' && events !== null && LOGOUT_EVENT in events;
    const isNamed = isTextOrAbsent(sub) && isTextOrAbsent(sid) && (sub !== undefined || sid !== undefined);
    // An ID token has a nonce: without this rule it would pass for a logout token.
    if (!isLogout || nonce !== undefined || typeof jti !== 'string' || !isNamed) return undefined;
    return { jti, ...(sub !== undefined && { sub }), ...(sid !== undefined && { sid: sid as string }) };
  }

  /** @param types accepted values of `typ`, which may be absent */
  async #verify(
    token: string,
    audience: string,
    types: readonly string[],
    requiredClaims: string[],
    maxTokenAge?: number,
  ): Promise<JWTPayload | undefined> {
    if (token.length > MAX_LENGTH) return undefined;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#keys, {
        ...{ issuer: this.issuer, audience, algorithms: ALGORITHMS, requiredClaims },
        ...{ currentDate: new Date(this.now()), clockTolerance: CLOCK_TOLERANCE_SECONDS },
        ...(maxTokenAge !== undefined && { maxTokenAge }),
      });
      const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '');
      return type === undefined || types.includes(type) ? payload : undefined;
    } catch (error) {
      if (isFaultOfToken(error)) return undefined;
      throw error;
    }
  }
}

const isTextOrAbsent = (value: unknown): boolean =>
  value === undefined || (typeof value === 'string' && value.length > 0 && value.length <= 255);

/** An error of the base class alone is about the answer of the provider, as is one of fetch. */
function isFaultOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== 'ERR_JOSE_GENERIC'
  );
}
