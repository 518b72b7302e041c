import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type Actor, type AgentPublished } from '@countersign/contracts';
import { constantTimeEquals, sha256, type Secret } from '@countersign/crypto';
import { RouteAccess } from '@countersign/http';
import { type Clock } from '@countersign/runtime';
import { ApiSecurity } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { type AgentKeys } from '../rest-adapter.ports.js';
import { Problem } from './problems.js';

/** The sender of a request: the administrator or an agent. The tenant comes from the agent's key and from nothing else. */
export type ApiClient = { readonly scope: 'manage' } | { readonly scope: 'verify'; readonly agent: AgentPublished };

/** What a route requires of its client. */
export type Access = ApiClient['scope'] | 'public';

/** Declares who may call a route, to the HTTP server and in the description of the API. */
export const Requires = (access: Access): MethodDecorator =>
  access === 'public' ? RouteAccess(access) : applyDecorators(RouteAccess(access), ApiSecurity('key', [access]));

export interface ClientRequest extends FastifyRequest {
  client?: ApiClient;
}

/** The agent that sent the request; only for routes that require `verify`. */
export const CallingAgent = createParamDecorator((_data: unknown, context: ExecutionContext): AgentPublished => {
  const { client } = context.switchToHttp().getRequest<ClientRequest>();
  if (client?.scope !== 'verify') throw new Problem('unauthorized');
  return client.agent;
});

/** Who sent an authenticated request. */
export function actorOf({ client, ip }: ClientRequest): Actor {
  // A connection that was closed in the meantime has no address.
  const sourceAddress = ip || 'unknown';
  if (client?.scope === 'manage') return { kind: 'administrator', sourceAddress };
  if (client?.scope === 'verify') return { kind: 'agent', id: client.agent.agent, sourceAddress };
  throw new Problem('unauthorized');
}

/** Authenticates clients by their key. */
export class Authenticator {
  readonly #adminKeyHash: string;

  constructor(
    adminKey: Secret,
    private readonly keys: AgentKeys,
    private readonly clock: Clock,
  ) {
    this.#adminKeyHash = sha256(adminKey.reveal());
  }

  /** @throws Problem unauthorized: no key, another scheme, an unknown key, one that has ended */
  authenticate(authorization: string | undefined): ApiClient {
    const key = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(authorization ?? '')?.[1];
    if (key === undefined) throw new Problem('unauthorized');
    // Digests have one length, so the time of the comparison does not depend on the key.
    if (constantTimeEquals(sha256(key), this.#adminKeyHash)) return { scope: 'manage' };
    const agent = this.keys.agentByApiKey(key, this.clock.now());
    if (agent === undefined) throw new Problem('unauthorized');
    return { scope: 'verify', agent };
  }
}

/**
 * @param tenant of the path; undefined for a route without one
 * @throws Problem not-found when an agent requests a management route or another tenant, so it cannot learn which tenants
 * exist; forbidden when the administrator wants to verify, because an attempt is counted for an agent
 */
export function checkAccess(client: ApiClient, access: Access | undefined, tenant: string | undefined): void {
  switch (access) {
    case 'public':
      return;
    case 'manage':
      if (client.scope !== 'manage') throw new Problem('not-found');
      return;
    case 'verify':
      if (client.scope !== 'verify') throw new Problem('forbidden');
      if (tenant !== undefined && tenant !== client.agent.tenant) throw new Problem('not-found');
      return;
    case undefined:
      throw new Problem('not-found');
  }
}
