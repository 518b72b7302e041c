import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { constantTimeEquals, sha256, type Secret } from '@countersign/crypto';
import { RouteAccess } from '@countersign/http';
import { type Clock } from '@countersign/runtime';
import { type FastifyRequest } from 'fastify';
import { type AgentKeys } from '../rest-adapter.ports.js';
import { Problem } from './problems.js';

/** Who sends a request: the administrator, or an agent, whose tenant comes from its key and from nothing else. */
export type ApiClient = { readonly scope: 'manage' } | { readonly scope: 'verify'; readonly agent: AgentPublished };

/** What a route asks of its caller. */
export type Access = ApiClient['scope'] | 'public';

/** Says who may call a route. A route without it is called by nobody. */
export const Requires = (access: Access): MethodDecorator => RouteAccess(access);

export interface CallerRequest extends FastifyRequest {
  caller?: ApiClient;
}

/** The agent that calls; only for routes that require `verify`. */
export const CallingAgent = createParamDecorator((_data: unknown, context: ExecutionContext): AgentPublished => {
  const { caller } = context.switchToHttp().getRequest<CallerRequest>();
  if (caller?.scope !== 'verify') throw new Problem('unauthorized');
  return caller.agent;
});

/** Knows callers by their key. */
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
    // Digests of one length: the time of the comparison tells nothing about the key.
    if (constantTimeEquals(sha256(key), this.#adminKeyHash)) return { scope: 'manage' };
    const agent = this.keys.agentByApiKey(key, this.clock.now());
    if (agent === undefined) throw new Problem('unauthorized');
    return { scope: 'verify', agent };
  }
}

/**
 * @throws Problem not-found when an agent asks for a management route: it must not learn which tenants exist;
 * forbidden when the administrator wants to verify: a guess is counted for an agent, and there is none
 */
export function checkAccess(caller: ApiClient, access: Access | undefined): void {
  switch (access) {
    case 'public':
      return;
    case 'manage':
      if (caller.scope !== 'manage') throw new Problem('not-found');
      return;
    case 'verify':
      if (caller.scope !== 'verify') throw new Problem('forbidden');
      return;
    case undefined:
      throw new Problem('not-found');
  }
}
