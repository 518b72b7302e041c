import { type OperatorRoleName } from '@countersign/contracts';
import { type FastifyRequest } from 'fastify';
import { type ApiClient, type ApiScope, type OperatorIdentity } from './authenticate.js';

/** Authenticates people. A service provides it if people may use its API. */
export abstract class OperatorAuthentication {
  /**
   * The operator who sent the request.
   * @param countsAsUse false: no use of the session, because the request was admitted before and its answer lasts
   * @returns undefined when the request does not claim to be of an operator: it then needs a key
   * @throws Problem unauthorized, cross-site-request; ServiceError when there is no answer
   */
  abstract operatorOf(request: FastifyRequest, countsAsUse: boolean): Promise<OperatorIdentity> | undefined;
}

/** The header in which the REST adapter names to the audit service the operator for whom it reads, beside the administrator key. */
export const OPERATOR_HEADER = 'x-countersign-operator';

const SCOPES: Readonly<Record<OperatorRoleName, readonly ApiScope[]>> = {
  viewer: ['manage:read'],
  operator: ['manage:read', 'manage:operate', 'audit'],
  admin: ['manage', 'manage:read', 'manage:operate', 'audit'],
  auditor: ['audit'],
};

/**
 * The operator as a client.
 * @param tenant that the request is about; undefined: no tenant, or all
 */
export function clientOfOperator(operator: OperatorIdentity, tenant: string | undefined): ApiClient {
  const grants = operator.grants.filter(({ tenants }) => tenant === undefined || (tenants?.includes(tenant) ?? true));
  const roles = [...new Set(grants.map(({ role }) => role))];
  const scopes = [...new Set(roles.flatMap((role) => SCOPES[role]))];
  return { actor: { kind: 'operator', id: operator.id, name: operator.name, roles }, scopes, operator };
}

/** The tenants in which the operator has a scope. Undefined: all of them. */
export function tenantsWith({ grants }: OperatorIdentity, scope: ApiScope): readonly string[] | undefined {
  const having = grants.filter(({ role }) => SCOPES[role].includes(scope));
  if (having.some(({ tenants }) => tenants === undefined)) return undefined;
  return [...new Set(having.flatMap(({ tenants = [] }) => tenants))].sort();
}
