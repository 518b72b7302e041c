import { Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { Authenticator, Problem, problemBody, PROBLEMS, Requires, type ClientRequest } from '@countersign/api';
import {
  factRecorded,
  INSTALLATION,
  SOURCE_ADDRESS_PATTERN,
  type Actor,
  type OperatorRoleName,
  type RoleGrant,
} from '@countersign/contracts';
import { KeyedHash, sha256, type LogoutClaims } from '@countersign/crypto';
import { RefusedCredentials } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { type FastifyReply } from 'fastify';
import { FactBus } from '../rest-adapter.ports.js';
import { AuthenticateOperator, type OpenSession } from './authenticate-operator.js';
import { type OpenIdProvider, type ProvenPerson } from './open-id-provider.js';
import { OperatorSettings } from './operator.settings.js';
import { OperatorSessions } from './operator-sessions.js';
import { KeySignInBody, SignInQuery, SignOutBody } from './operators.dto.js';
import { countingFaults, countSignIn } from './sign-in-counts.js';
import { COOKIES, createSessionId, csrfTokenOf, readCookie, setCookie } from './session-cookies.js';

const CALLBACK = '/console/session/callback';
const HOME = '/console/';
/** Time for the sign-in at the provider, in seconds, as the directory has it. */
const SIGN_IN_SECONDS = 600;

/** The session of an operator as the page gets it. */
interface ShownSession {
  readonly operator: {
    readonly id: string;
    readonly name: string;
    readonly roles: readonly OperatorRoleName[];
    /** Null: all. */
    readonly tenants: readonly string[] | null;
    /** Each role with its tenants: the page decides by tenant what it shows. Null: all. */
    readonly grants: readonly { readonly role: OperatorRoleName; readonly tenants: readonly string[] | null }[];
  };
  readonly signedInAt: string;
  readonly expiresAt: string;
  /** Whether the sign-in is recent enough to erase, disable, delete, loosen, and create agents and keys. */
  readonly isRecent: boolean;
  /** The administrator key signed in, because there is no provider. */
  readonly development: boolean;
  readonly csrfToken: string;
}

/** The sign-in of operators in the browser. Not part of the API: only the console uses it. */
@Controller('console/session')
export class OperatorsController {
  constructor(
    private readonly authentication: AuthenticateOperator,
    private readonly sessions: OperatorSessions,
    private readonly settings: OperatorSettings,
    private readonly authenticator: Authenticator,
    private readonly refused: RefusedCredentials,
    private readonly facts: FactBus,
    private readonly hash: KeyedHash,
  ) {}

  /** Use of the session, like every request of its page that is not marked as one in the background. */
  @Get()
  @Requires('public')
  async session(@Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    const session = await this.authentication.sessionOf(request);
    if (session) return void reply.send(this.#shown(session));
    const signIn = this.authentication.provider ? 'oidc' : 'key';
    void reply
      .code(PROBLEMS.unauthorized.status)
      .header('content-type', 'application/problem+json')
      .send(JSON.stringify({ ...problemBody(new Problem('unauthorized')), signIn }));
  }

  @Get('sign-in')
  @Requires('public')
  async signIn(
    @Query() { returnTo = HOME, recent }: SignInQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const provider = this.#provider();
    const origin = this.authentication.originOf(request);
    // A new id for each sign-in: one that the browser sends can be known to somebody else.
    const id = createSessionId();
    const url = await countingFaults('oidc', async () => {
      const signInUrl = await provider.signInUrl(id, `${origin}${CALLBACK}`, this.#maxAge(recent === '1'));
      await this.sessions.begin(id, { returnTo, recent: recent === '1' });
      return signInUrl;
    });
    setCookie(reply, this.hash, COOKIES.signIn, origin, id, SIGN_IN_SECONDS);
    const session = readCookie(request, this.hash, COOKIES.session, origin);
    const replaced = session && Buffer.from(sha256(session), 'hex').toString('base64url');
    setCookie(reply, this.hash, COOKIES.replaced, origin, replaced, SIGN_IN_SECONDS);
    void reply.redirect(url.href, 302);
  }

  @Get('callback')
  @Requires('public')
  async callback(@Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    const provider = this.#provider();
    void reply.redirect(await countingFaults('oidc', () => this.#endSignIn(provider, request, reply)), 302);
  }

  /** @returns the path to which the browser goes */
  async #endSignIn(provider: OpenIdProvider, request: ClientRequest, reply: FastifyReply): Promise<string> {
    const origin = this.authentication.originOf(request);
    const id = readCookie(request, this.hash, COOKIES.signIn, origin);
    setCookie(reply, this.hash, COOKIES.signIn, origin, undefined);
    const begun = id === undefined ? undefined : await this.sessions.take(id);
    // Without the sign-in that this browser began, the code can be that of another person.
    if (id === undefined || begun === undefined) {
      countSignIn('oidc', 'expired');
      return `${HOME}?signInError=expired`;
    }
    const person = await provider.signIn(id, new URL(request.url, origin), this.#maxAge(begun.recent));
    if (typeof person === 'string') {
      countSignIn('oidc', person);
      this.refused.count(request.ip);
      return `${HOME}?signInError=refused`;
    }
    const actor = actorOf(person, request);
    if (person.grants.length === 0) {
      const detail = { code: 'NO_ROLE' };
      const fields = { tenant: INSTALLATION, actor, channel: 'rest', detail } as const;
      await this.facts.publish([{ message: factRecorded('operator.sign_in_refused', new Date(), fields) }]);
      countSignIn('oidc', 'no_role');
      return `${HOME}?signInError=no-role`;
    }
    const replaced = readCookie(request, this.hash, COOKIES.replaced, origin);
    setCookie(reply, this.hash, COOKIES.replaced, origin, undefined);
    await this.#start(reply, origin, actor, person, provider.issuer, replaced);
    countSignIn('oidc', 'success');
    return begun.returnTo;
  }

  @Post('key')
  @HttpCode(200)
  @Requires('public')
  async signInWithKey(
    @Body() { key }: KeySignInBody,
    @Req() request: ClientRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownSession> {
    if (this.authentication.provider) throw new Problem('not-found');
    return countingFaults('key', () => this.#signInWith(key, request, reply));
  }

  async #signInWith(key: string, request: ClientRequest, reply: FastifyReply): Promise<ShownSession> {
    this.authentication.checkSite(request);
    if (!this.authenticator.isAdministrator(key)) {
      this.refused.count(request.ip);
      throw new Problem('unauthorized');
    }
    const grants: RoleGrant[] = [{ role: 'admin' }];
    const person = { id: 'administrator', name: 'Administrator', grants, authenticatedAt: undefined };
    const actor = actorOf(person, request);
    const session = await this.#start(reply, this.authentication.originOf(request), actor, person, undefined);
    countSignIn('key', 'success');
    return this.#shown(session);
  }

  @Post('sign-out')
  @HttpCode(200)
  @Requires('public')
  async signOut(
    @Body() { everywhere }: SignOutBody,
    @Req() request: ClientRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ redirectTo?: string }> {
    const origin = this.authentication.originOf(request);
    const id = readCookie(request, this.hash, COOKIES.session, origin);
    if (id === undefined) throw new Problem('unauthorized');
    this.authentication.checkSite(request, id);
    const session = await this.authentication.sessionOf(request);
    // An ended session names no operator. A success would claim that sessions at other browsers have ended.
    if (session === undefined && everywhere) throw new Problem('unauthorized');
    if (session) await this.sessions.end(id, everywhere, actorOf(personOf(session), request));
    setCookie(reply, this.hash, COOKIES.session, origin, undefined);
    const redirectTo = await this.authentication.provider?.signOutUrl(`${origin}${HOME}`);
    return { ...(redirectTo !== undefined && { redirectTo }) };
  }

  /** OpenID Connect Back-Channel Logout 1.0, section 2.5. The provider sends the request, without a cookie. */
  @Post('back-channel-logout')
  @HttpCode(200)
  @Requires('public')
  async backChannelLogout(@Req() request: ClientRequest): Promise<void> {
    const provider = this.#provider();
    const token = new URLSearchParams(typeof request.body === 'string' ? request.body : '').get('logout_token');
    try {
      const logout = token === null ? undefined : await provider.logout(token);
      const result = logout ? await this.#endSessionsOf(logout, provider) : 'refused';
      METRICS.logoutTokens.inc({ result });
      if (result !== 'refused') return;
    } catch (error) {
      METRICS.logoutTokens.inc({ result: 'unavailable' });
      throw error;
    }
    this.refused.count(request.ip);
    throw new Problem('malformed-json');
  }

  async #endSessionsOf({ jti, sub, sid }: LogoutClaims, provider: OpenIdProvider): Promise<'accepted' | 'repeated'> {
    const isFirst = await this.sessions.logout({
      ...{ issuer: provider.issuer, tokenHash: sha256(`${provider.issuer}\n${jti}`) },
      ...(sub !== undefined && { subject: sub }),
      ...(sid !== undefined && { providerSession: sid }),
    });
    return isFirst ? 'accepted' : 'repeated';
  }

  async #start(
    reply: FastifyReply,
    origin: string,
    actor: Actor,
    person: Omit<ProvenPerson, 'providerSession'> & Partial<ProvenPerson>,
    issuer: string | undefined,
    replaced?: string,
  ): Promise<OpenSession> {
    const { id: subject, name, grants, authenticatedAt, providerSession } = person;
    const id = createSessionId();
    const { OPERATOR_SESSION_SECONDS: lifeSeconds, OPERATOR_IDLE_SECONDS: idleSeconds } = this.settings;
    const state = await this.sessions.start(id, {
      ...{ actor, subject, name, grants: [...grants], lifeSeconds, idleSeconds },
      ...(issuer !== undefined && { issuer }),
      ...(providerSession !== undefined && { providerSession }),
      ...(replaced !== undefined && { replaces: Buffer.from(replaced, 'base64url').toString('hex') }),
      ...(authenticatedAt !== undefined && { authenticatedAt: new Date(authenticatedAt).toISOString() }),
    });
    setCookie(reply, this.hash, COOKIES.session, origin, id, lifeSeconds);
    return { id, state };
  }

  #shown({ id, state }: OpenSession): ShownSession {
    const { issuer, subject, name, grants, signedInAt, expiresAt, secondsSinceAuthentication } = state;
    const bound = grants.map(({ tenants }) => tenants);
    const tenants = bound.includes(undefined) ? null : [...new Set(bound.flatMap((some) => some ?? []))].sort();
    return {
      operator: {
        ...{ id: subject, name, roles: [...new Set(grants.map(({ role }) => role))], tenants },
        grants: grants.map((grant) => ({ role: grant.role, tenants: grant.tenants ?? null })),
      },
      ...{ signedInAt, expiresAt, isRecent: this.authentication.isRecent(secondsSinceAuthentication) },
      ...{ development: issuer === null, csrfToken: csrfTokenOf(id) },
    };
  }

  /** @throws Problem not-found without a provider */
  #provider(): OpenIdProvider {
    const { provider } = this.authentication;
    if (provider === undefined) throw new Problem('not-found');
    return provider;
  }

  #maxAge(recent: boolean): number {
    return recent ? 0 : this.settings.OPERATOR_SESSION_SECONDS;
  }
}

function personOf({ state: { subject, name, grants } }: OpenSession): Pick<ProvenPerson, 'id' | 'name' | 'grants'> {
  return { id: subject, name, grants };
}

function actorOf({ id, name, grants }: Pick<ProvenPerson, 'id' | 'name' | 'grants'>, { ip }: ClientRequest): Actor {
  const roles = [...new Set(grants.map(({ role }) => role))];
  // A connection that was closed in the meantime has no address.
  return { kind: 'operator', id, name, roles, sourceAddress: SOURCE_ADDRESS_PATTERN.test(ip) ? ip : 'unknown' };
}
