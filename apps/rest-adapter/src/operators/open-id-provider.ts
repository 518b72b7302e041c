import { Problem } from '@countersign/api';
import { OPERATOR_ID_PATTERN, OPERATOR_NAME_PATTERN, type RoleGrant } from '@countersign/contracts';
import { ProviderTokens, type LogoutClaims } from '@countersign/crypto';
import * as client from 'openid-client';
import { type ProviderSettings } from './operator.settings.js';
import { grantsOf } from './role-grants.decision.js';
import { derivedFrom } from './session-cookies.js';
import { timedFetch, type ProviderRequest, type TimedFetch } from './timed-fetch.js';

/** For each request to the provider, in seconds. */
const TIMEOUT_SECONDS = 5;
/** The description of the provider is read again after this time, in milliseconds. */
const DISCOVERY_MS = 3_600_000;
/** Sign-ins whose code is being exchanged, at most. A client needs no credentials to send codes. */
const MAX_EXCHANGES = 64;
/** Least time for the person to return after the authentication at the provider, in seconds. */
const RETURN_SECONDS = 300;

/** A person, as the provider states it. */
export interface ProvenPerson {
  readonly id: string;
  readonly name: string;
  readonly grants: readonly RoleGrant[];
  /** Milliseconds since 1970. Undefined: the provider does not state it. */
  readonly authenticatedAt: number | undefined;
  /** Of the session at the provider. */
  readonly providerSession: string | undefined;
}

/**
 * Why an answer signs nobody in. `mismatch`: state, nonce or ID token is not that of this sign-in. `provider_refused`: the
 * provider answered with an error, such as one about the code or the client.
 */
export type SignInFault = 'mismatch' | 'provider_refused';

/** What one sign-in sends and checks, derived from the id in its cookie. */
interface SignInSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

interface Provider {
  readonly config: client.Configuration;
  readonly tokens: ProviderTokens;
}

/** The OpenID provider: authorization code flow with PKCE, tokens of scripts, and logout tokens. */
export class OpenIdProvider {
  #provider: Promise<Provider> | undefined;
  #readAt = -Infinity;
  #exchanges = 0;
  /** What is requested at an address. */
  #requests: ReadonlyMap<string, ProviderRequest> = new Map();
  readonly #fetch: TimedFetch;

  /**
   * @param now milliseconds since 1970
   * @param logFault called when the provider does not answer
   */
  constructor(
    readonly settings: ProviderSettings,
    private readonly now: () => number,
    private readonly logFault: (error: unknown) => void,
  ) {
    this.#fetch = timedFetch((url) => this.#requests.get(url) ?? 'discovery');
  }

  /**
   * The address at which the person signs in.
   * @param maxAgeSeconds the provider authenticates a person again whose authentication is older; 0: in every case
   * @throws Problem unavailable
   */
  async signInUrl(id: string, redirectUri: string, maxAgeSeconds: number): Promise<URL> {
    const { config } = await this.#open();
    const { state, nonce, verifier } = secretsOf(id);
    return client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: redirectUri, scope: this.settings.scopes, state, nonce, max_age: String(maxAgeSeconds) },
      ...{ code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    });
  }

  /**
   * Exchanges the code of a sign-in for the person.
   * @param url at which the browser arrived
   * @param maxAgeSeconds as sent; the authentication must be no older
   * @throws Problem unavailable
   */
  async signIn(id: string, url: URL, maxAgeSeconds: number): Promise<ProvenPerson | SignInFault> {
    const { config } = await this.#open();
    const { state, nonce, verifier } = secretsOf(id);
    if (this.#exchanges >= MAX_EXCHANGES) throw new Problem('unavailable');
    this.#exchanges++;
    try {
      const tokens = await client.authorizationCodeGrant(config, url, {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
        maxAge: Math.max(maxAgeSeconds, RETURN_SECONDS),
      });
      const claims: Record<string, unknown> = { ...tokens.claims() };
      const grants = this.#grantsOf(claims);
      const hasUserInfo = config.serverMetadata().userinfo_endpoint !== undefined;
      // Many providers state roles and names only there.
      const more =
        grants.length === 0 && hasUserInfo
          ? await client.fetchUserInfo(config, tokens.access_token, String(claims['sub']))
          : {};
      return this.#personOf({ ...more, ...claims }) ?? 'mismatch';
    } catch (error) {
      if (isUnreachable(error)) throw this.#unavailable(error);
      return isRefusal(error) ? 'provider_refused' : 'mismatch';
    } finally {
      this.#exchanges--;
    }
  }

  /** The person of a token with which a script calls the API. @throws Problem unauthorized, unavailable */
  async personOfToken(token: string): Promise<ProvenPerson> {
    const { audience } = this.settings;
    if (audience === undefined) throw new Problem('unauthorized');
    const { tokens } = await this.#open();
    const claims = await tokens.accessToken(token, audience).catch((error: unknown) => {
      throw this.#unavailable(error);
    });
    const person = claims && this.#personOf(claims);
    if (person === undefined || person.grants.length === 0) throw new Problem('unauthorized');
    return person;
  }

  /** @returns undefined for a token that the provider did not sign for the logout of this client. @throws Problem unavailable */
  async logout(token: string): Promise<LogoutClaims | undefined> {
    const { tokens } = await this.#open();
    return tokens.logoutToken(token, this.settings.clientId).catch((error: unknown) => {
      throw this.#unavailable(error);
    });
  }

  /** The address that ends the session at the provider. Undefined: it offers none, or does not answer. */
  async signOutUrl(returnTo: string): Promise<string | undefined> {
    const provider = await this.#open().catch(() => undefined);
    if (provider?.config.serverMetadata().end_session_endpoint === undefined) return undefined;
    return client.buildEndSessionUrl(provider.config, { post_logout_redirect_uri: returnTo }).href;
  }

  /** The issuer as the provider writes it, by which sessions are compared. */
  get issuer(): string {
    return this.settings.issuer.href;
  }

  #grantsOf(claims: Readonly<Record<string, unknown>>): RoleGrant[] {
    return grantsOf(claims, this.settings.rolesClaim, this.settings.roles);
  }

  /** @returns undefined when the subject has a form that no event can name */
  #personOf(claims: Readonly<Record<string, unknown>>): ProvenPerson | undefined {
    const { sub, sid, auth_time: seconds } = claims;
    if (typeof sub !== 'string' || !OPERATOR_ID_PATTERN.test(sub)) return undefined;
    const names = [claims['name'], claims['preferred_username'], sub];
    const name = names.find((text) => typeof text === 'string' && OPERATOR_NAME_PATTERN.test(text)) as string;
    return {
      ...{ id: sub, name, grants: this.#grantsOf(claims) },
      authenticatedAt: typeof seconds === 'number' ? seconds * 1000 : undefined,
      providerSession: typeof sid === 'string' && sid.length > 0 && sid.length <= 255 ? sid : undefined,
    };
  }

  async #open(): Promise<Provider> {
    if (this.#provider === undefined || this.now() - this.#readAt > DISCOVERY_MS) {
      this.#readAt = this.now();
      const opening = this.#discover();
      this.#provider = opening;
      opening.catch(() => {
        if (this.#provider === opening) this.#provider = undefined;
      });
    }
    return this.#provider.catch((error: unknown) => {
      throw this.#unavailable(error);
    });
  }

  async #discover(): Promise<Provider> {
    const { issuer, clientId, clientSecret } = this.settings;
    const authentication = clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret.reveal());
    const config = await client.discovery(issuer, clientId, undefined, authentication, {
      timeout: TIMEOUT_SECONDS,
      [client.customFetch]: this.#fetch,
      execute: [
        client.enableNonRepudiationChecks,
        // The rule of OIDC_ISSUER admits http for this machine only.
        ...(issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []),
      ],
    });
    const {
      issuer: name,
      jwks_uri: keys,
      token_endpoint: token,
      userinfo_endpoint: userInfo,
    } = config.serverMetadata();
    if (keys === undefined) throw new Error('the OpenID provider publishes no keys');
    this.#requests = new Map([
      [new URL(keys).href, 'keys'],
      ...(token === undefined ? [] : ([[new URL(token).href, 'token']] as const)),
      ...(userInfo === undefined ? [] : ([[new URL(userInfo).href, 'userinfo']] as const)),
    ]);
    return { config, tokens: new ProviderTokens(name, new URL(keys), this.now, this.#fetch) };
  }

  #unavailable(error: unknown): Problem {
    if (error instanceof Problem) return error;
    this.logFault(error);
    return new Problem('unavailable');
  }
}

function secretsOf(id: string): SignInSecrets {
  return { state: derivedFrom(id, 'state'), nonce: derivedFrom(id, 'nonce'), verifier: derivedFrom(id, 'verifier') };
}

/** Codes of errors about an answer that has not the form of a result. */
const MALFORMED = ['OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_PARSE_ERROR'];

/** Whether the provider answered with an error: to the browser, at its token endpoint, or at its UserInfo endpoint. */
function isRefusal(error: unknown): boolean {
  const refusals = [client.AuthorizationResponseError, client.ResponseBodyError, client.WWWAuthenticateChallengeError];
  if (refusals.some((refusal) => error instanceof refusal)) return true;
  return error instanceof client.ClientError && MALFORMED.includes(error.code ?? '');
}

/** Whether the provider did not answer. Every other error is about an answer. */
function isUnreachable(error: unknown): boolean {
  if (error instanceof client.ResponseBodyError) return error.status >= 500;
  const { code, name, cause } = error as { code?: unknown; name?: unknown; cause?: unknown };
  // Of a proxy in front of the provider: its body is no error of OAuth.
  if (cause instanceof Response) return cause.status >= 500;
  // `fetch` throws a TypeError, and the client wraps an error of no kind that it knows.
  const isOfFetch = error instanceof TypeError || error instanceof client.ClientError;
  return (isOfFetch && code === undefined) || code === 'OAUTH_TIMEOUT' || name === 'TimeoutError';
}
