import { OperatorAuthentication, Problem, type OperatorIdentity } from '@countersign/api';
import { type OperatorSessionState } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { METRICS } from '@countersign/observability';
import { type Clock } from '@countersign/runtime';
import { type FastifyRequest } from 'fastify';
import { type OpenIdProvider } from './open-id-provider.js';
import { type OperatorSessions } from './operator-sessions.js';
import { COOKIES, hasCsrfToken, isCrossSite, readCookie } from './session-cookies.js';
import { type OperatorSettings } from './operator.settings.js';

/** A token of an OpenID provider. API keys and the administrator key never begin like the header of a JWT. */
const TOKEN = /^Bearer +(eyJ[\w-]*\.[\w-]+\.[\w-]*) *$/i;
/** A token's time of authentication may be this far in the future, in milliseconds: clocks differ. */
const CLOCK_TOLERANCE_MS = 5_000;

/**
 * A page sends it with a request that no action of its operator caused, such as one that refreshes a list. Such a request is
 * no use of the session. The header shortens a session at most: a request of the page, or of a program, without it counts as use.
 */
const BACKGROUND_HEADER = 'x-background-request';

/** A session with the id from its cookie. */
export interface OpenSession {
  readonly id: string;
  readonly state: OperatorSessionState;
}

/** Authenticates people: by the session in their cookie, and their scripts by a token of the provider. */
export class AuthenticateOperator extends OperatorAuthentication {
  /** @param provider undefined: operators sign in with the administrator key */
  constructor(
    private readonly settings: OperatorSettings,
    private readonly sessions: OperatorSessions,
    readonly provider: OpenIdProvider | undefined,
    private readonly clock: Clock,
    private readonly hash: KeyedHash,
  ) {
    super();
  }

  /** A request with an `Authorization` header is authenticated by it alone, whatever cookie it has. */
  override operatorOf(request: FastifyRequest, countsAsUse: boolean): Promise<OperatorIdentity> | undefined {
    const { authorization } = request.headers;
    const token = TOKEN.exec(authorization ?? '')?.[1];
    if (token !== undefined && this.provider) return this.#ofToken(this.provider, token);
    if (authorization !== undefined) return undefined;
    const id = readCookie(request, this.hash, COOKIES.session, this.originOf(request));
    return id === undefined ? undefined : this.#ofSession(request, id, countsAsUse);
  }

  /** The origin of the console in the browser. */
  originOf(request: FastifyRequest): string {
    const { CONSOLE_URL } = this.settings;
    // A client that states another host gets only its own redirects wrong: the provider compares them with a list.
    return CONSOLE_URL === undefined ? `${request.protocol}://${request.host}` : new URL(CONSOLE_URL).origin;
  }

  /** Refuses a change that the page of another site can have sent. @throws Problem cross-site-request */
  checkSite(request: FastifyRequest, sessionId?: string): void {
    const lacksToken = sessionId !== undefined && !hasCsrfToken(request, sessionId);
    if (!lacksToken && !isCrossSite(request, this.originOf(request))) return;
    METRICS.operatorRequestsRefused.inc({ reason: 'cross_site' });
    throw new Problem('cross-site-request');
  }

  /** The session of the cookie; undefined when it has none that holds. */
  async sessionOf(request: FastifyRequest): Promise<OpenSession | undefined> {
    const id = readCookie(request, this.hash, COOKIES.session, this.originOf(request));
    const state = id === undefined ? undefined : await this.#stateOf(id, isUse(request));
    return id === undefined || state === undefined ? undefined : { id, state };
  }

  isRecent(secondsSinceAuthentication: number): boolean {
    return secondsSinceAuthentication <= this.settings.OPERATOR_RECENT_SECONDS;
  }

  async #ofSession(request: FastifyRequest, id: string, countsAsUse: boolean): Promise<OperatorIdentity> {
    if (request.method !== 'GET' && request.method !== 'HEAD') this.checkSite(request, id);
    const state = await this.#stateOf(id, countsAsUse && isUse(request));
    if (state === undefined) throw new Problem('unauthorized');
    const { subject, name, grants, secondsSinceAuthentication } = state;
    return { id: subject, name, grants, isRecent: this.isRecent(secondsSinceAuthentication) };
  }

  /** A session ends, too, when the provider is set, removed or replaced. */
  async #stateOf(id: string, countsAsUse: boolean): Promise<OperatorSessionState | undefined> {
    const state = await this.sessions.session(id, this.settings.OPERATOR_IDLE_SECONDS, countsAsUse);
    return state?.issuer === (this.provider?.issuer ?? null) ? state : undefined;
  }

  async #ofToken(provider: OpenIdProvider, token: string): Promise<OperatorIdentity> {
    const { authenticatedAt, ...person } = await provider.personOfToken(token);
    const ageMs = authenticatedAt === undefined ? Infinity : this.clock.now() - authenticatedAt;
    return { ...person, isRecent: ageMs >= -CLOCK_TOLERANCE_MS && this.isRecent(ageMs / 1000) };
  }
}

/** What a page of another site, or of a sibling host, makes a browser request is no use of the session. */
function isUse({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  return headers[BACKGROUND_HEADER] !== '1' && (site === 'same-origin' || site === 'none');
}
