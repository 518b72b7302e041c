import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import {
  ApiKeyPublished,
  SOURCE_ADDRESS_PATTERN,
  type Actor,
  type AgentPublished,
  type ApiKeyScope,
  type RoleGrant,
} from '@countersign/contracts';
import { constantTimeEquals, isMistypedApiKey, sha256, type Secret } from '@countersign/crypto';
import { RouteAccess, type RouteNeeds } from '@countersign/http';
import { type Clock } from '@countersign/runtime';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { type ApiKeyUses } from './api-key-uses.js';
import { Problem } from './problems.js';

/** A person, as a session or a token of the OpenID provider proves it. */
export interface OperatorIdentity {
  /** Subject at the provider. */
  readonly id: string;
  readonly name: string;
  readonly grants: readonly RoleGrant[];
  /** Whether the provider authenticated the person within `OPERATOR_RECENT_SECONDS`. */
  readonly isRecent: boolean;
}

/** What a client may do. `manage:operate`, which only operators have alone: unlock subjects, override and reset limits. */
export type ApiScope = ApiKeyScope | 'manage:operate';

/** The sender of a request, as its key or session proves it. Nothing else in the request decides about tenant, agent and scopes. */
export interface ApiClient {
  readonly actor: Pick<Actor, 'kind' | 'id' | 'name' | 'roles'>;
  /** Of an operator: those in the tenant of the request. */
  readonly scopes: readonly ApiScope[];
  /** Undefined: the administrator, who belongs to no tenant. */
  readonly tenant?: string;
  /** Present exactly with the scope `verify`. */
  readonly agent?: AgentPublished;
  /** Present exactly for an operator. */
  readonly operator?: OperatorIdentity;
}

/** What a route requires of its client. A key with `manage` may also do what requires `manage:read` or `manage:operate`. */
export type Access = ApiScope | 'public';

/** The key under which an operation states that operators must have signed in recently, until the document is complete. */
export const RECENT_SIGN_IN_EXTENSION = 'x-recent-sign-in';

/** Declares who may call a route, to the HTTP server and in the description of the API. */
export const Requires = (access: Access, needs: RouteNeeds = {}): MethodDecorator =>
  applyDecorators(
    RouteAccess(access, needs),
    ...(access === 'public' ? [] : [ApiSecurity('key', [access])]),
    ...(needs.recentSignIn ? [ApiExtension(RECENT_SIGN_IN_EXTENSION, true)] : []),
  );

export interface ClientRequest extends FastifyRequest {
  client?: ApiClient;
  /** The request has the cookie of a session, whether that holds or not. */
  isOfConsole?: boolean;
  /**
   * Authenticates the client again, for answers that outlast a revocation. @throws Problem as {@link Authenticator} does
   * @param isUse of the session of an operator; false by default
   */
  checkAgain?: (isUse?: boolean) => void | Promise<void>;
}

/** The agent that sent the request; only for routes that require `verify`. */
export const CallingAgent = createParamDecorator((_data: unknown, context: ExecutionContext): AgentPublished => {
  const { client } = context.switchToHttp().getRequest<ClientRequest>();
  if (client?.agent === undefined) throw new Problem('unauthorized');
  return client.agent;
});

/** Who sent an authenticated request. */
export function actorOf({ client, ip }: ClientRequest): Actor {
  if (client === undefined) throw new Problem('unauthorized');
  // A connection that was closed in the meantime has no address.
  return { ...client.actor, sourceAddress: SOURCE_ADDRESS_PATTERN.test(ip) ? ip : 'unknown' };
}

const ADMINISTRATOR: ApiClient = { actor: { kind: 'administrator' }, scopes: ['manage', 'audit'] };

/** What the directory published about API keys and agents. */
export abstract class ClientKeys {
  /**
   * The API key of a tenant, or the agent, that this text authenticates; undefined for every other text.
   * @param now milliseconds since 1970; a key can expire, and a rotated text ends at a time
   */
  abstract clientByKey(text: string, now: number): ApiKeyPublished | AgentPublished | undefined;
  /** Undefined for an agent that does not exist, or is disabled. */
  abstract agent(agent: string): AgentPublished | undefined;
}

/** Authenticates clients by their key. */
export class Authenticator {
  readonly #adminKeyHash: string;

  constructor(
    adminKey: Secret,
    private readonly keys: ClientKeys,
    private readonly uses: ApiKeyUses,
    private readonly clock: Clock,
  ) {
    this.#adminKeyHash = sha256(adminKey.reveal());
  }

  /**
   * @throws Problem unauthorized: no key, another scheme, a mistyped or unknown key, one that is disabled or has ended. All of
   * these get the same answer
   */
  authenticate(authorization: string | undefined): ApiClient {
    const key = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(authorization ?? '')?.[1];
    if (key === undefined) throw new Problem('unauthorized');
    if (this.isAdministrator(key)) return ADMINISTRATOR;
    if (isMistypedApiKey(key)) throw new Problem('unauthorized');
    const now = this.clock.now();
    const found = this.keys.clientByKey(key, now);
    if (found === undefined) throw new Problem('unauthorized');
    if (!(found instanceof ApiKeyPublished)) return clientOfAgent(found);
    const client = this.#clientOfKey(found);
    this.uses.used(found, now);
    return client;
  }

  /** Digests have one length, so the time of the comparison does not depend on the key. */
  isAdministrator(key: string): boolean {
    return constantTimeEquals(sha256(key), this.#adminKeyHash);
  }

  /** Without its agent, which may be disabled, a key has no scope `verify`. */
  #clientOfKey({ tenant, keyId, scopes: given, agent: name }: ApiKeyPublished): ApiClient {
    const named = name === undefined ? undefined : this.keys.agent(name);
    const agent = named?.tenant === tenant ? named : undefined;
    const scopes = given.filter((scope) => scope !== 'verify' || agent !== undefined);
    if (scopes.length === 0) throw new Problem('unauthorized');
    return { actor: { kind: 'key', id: keyId }, scopes, tenant, ...(agent && { agent }) };
  }
}

/** An agent with the API key that was created with it. */
function clientOfAgent(agent: AgentPublished): ApiClient {
  return { actor: { kind: 'agent', id: agent.agent }, scopes: ['verify'], tenant: agent.tenant, agent };
}

/**
 * @param tenant of the path; undefined for a route without one
 * @throws Problem not-found for another tenant, and for a management call without a management scope, so a key cannot learn
 * which tenants exist; forbidden when a key lacks a scope for what it may know about
 */
export function checkAccess(client: ApiClient, access: Access | undefined, tenant: string | undefined): void {
  const { scopes, tenant: own } = client;
  if (access === 'public') return;
  // An operator whose roles are bound to other tenants.
  if (scopes.length === 0) throw new Problem('not-found');
  // A key manages nothing outside of its tenant, and what belongs to no tenant, such as their list, neither. Routes of the
  // audit log name their tenant in the query, or none: they limit a key to its tenant themselves.
  const isOutside = tenant === undefined ? access !== 'verify' && access !== 'audit' : tenant !== own;
  if (access === undefined || (own !== undefined && isOutside)) throw new Problem('not-found');
  switch (access) {
    case 'verify':
    case 'audit':
      if (!scopes.includes(access)) throw new Problem('forbidden');
      return;
    case 'manage':
    case 'manage:operate':
    case 'manage:read':
      if (scopes.includes('manage')) return;
      if (!scopes.includes('manage:read')) throw new Problem('not-found');
      if (!scopes.includes(access)) throw new Problem('forbidden');
  }
}

/**
 * The tenant of the events that a request reads. Undefined: all, for the administrator alone.
 * @param asked the tenant that the request names
 * @throws Problem not-found for another tenant, so a key cannot learn which tenants exist
 */
export function visibleTenant({ client }: ClientRequest, asked: string | undefined): string | undefined {
  const own = client?.tenant;
  if (own !== undefined && asked !== undefined && asked !== own) throw new Problem('not-found');
  return own ?? asked;
}
