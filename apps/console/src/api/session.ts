import { queryOptions, useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { request, send, setCsrfToken } from './client.js';
import { ApiProblem, isRecord } from './problem.js';

export const ROLES = ['viewer', 'operator', 'admin', 'auditor'] as const;
export type OperatorRole = (typeof ROLES)[number];

interface RoleGrant {
  readonly role: OperatorRole;
  readonly tenants: readonly string[] | null;
}

/** Who is signed in. */
export interface OperatorSession {
  readonly operator: {
    readonly id: string;
    readonly name: string;
    readonly roles: readonly OperatorRole[];
    /** Null: all tenants. */
    readonly tenants: readonly string[] | null;
    /** Each role with its tenants. Null: all. */
    readonly grants: readonly RoleGrant[];
  };
  readonly signedInAt: string;
  readonly expiresAt: string;
  /** Signed in with the administrator key of a development installation. */
  readonly development: boolean;
  readonly csrfToken: string;
}

/** How an operator signs in: at an OpenID Connect provider, or with the administrator key. */
export type SignInMethod = 'oidc' | 'key';

export type SessionState =
  { readonly session: OperatorSession } | { readonly session: undefined; readonly signIn: SignInMethod };

const SESSION = '/console/session';

/** What the roles permit. The API decides; the page uses it to show no action that would be refused. */
export type Permission = 'read' | 'operate' | 'manage' | 'audit';

const PERMISSIONS: Readonly<Record<OperatorRole, readonly Permission[]>> = {
  viewer: ['read'],
  operator: ['read', 'operate', 'audit'],
  admin: ['read', 'operate', 'manage', 'audit'],
  auditor: ['audit'],
};

/** @param tenant undefined: whether a role permits it for some tenant, for what belongs to no single one */
export const isPermitted = ({ operator }: OperatorSession, permission: Permission, tenant?: string): boolean =>
  operator.grants.some(
    ({ role, tenants }) =>
      PERMISSIONS[role].includes(permission) && (tenant === undefined || (tenants?.includes(tenant) ?? true)),
  );

/** How often a visible page reads the session, so its end is shown also on a page that requests nothing else. */
const REFRESH_MS = 30_000;

/** The tenants in which a role permits it. Null: all. */
export function tenantsWith({ operator }: OperatorSession, permission: Permission): readonly string[] | null {
  const grants = operator.grants.filter(({ role }) => PERMISSIONS[role].includes(permission));
  if (grants.some(({ tenants }) => tenants === null)) return null;
  return [...new Set(grants.flatMap(({ tenants }) => tenants ?? []))].sort();
}

/** The session, read once, again after each 401, and when the page is visible again. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: readSession,
  staleTime: Infinity,
  refetchOnWindowFocus: 'always',
  retry: false,
});

/** Reads the session regularly. Used once, because each use has its own timer. */
export function useSessionWatch(): void {
  useQuery({ ...sessionQuery, refetchInterval: REFRESH_MS });
}

/** @throws a promise until the session was read, and the problem when it cannot be read */
export const useSessionState = (): SessionState => useSuspenseQuery(sessionQuery).data;

/** Only for pages, which are shown to operators with a session. */
export function useSession(): OperatorSession {
  const { session } = useSessionState();
  if (session === undefined) throw new Error('This page needs a session.');
  return session;
}

/** @param tenant undefined: for some tenant */
export const usePermission = (permission: Permission, tenant?: string): boolean =>
  isPermitted(useSession(), permission, tenant);

async function readSession(): Promise<SessionState> {
  const response = await request(new Request(location.origin + SESSION));
  const body: unknown = await response.json().catch(() => undefined);
  if (response.status === 401 && isRecord(body)) {
    setCsrfToken(undefined);
    return { session: undefined, signIn: body['signIn'] === 'oidc' ? 'oidc' : 'key' };
  }
  if (!response.ok || !isRecord(body)) throw new ApiProblem(response.status, 'unknown', '');
  const session = body as unknown as OperatorSession;
  setCsrfToken(session.csrfToken);
  return { session };
}

/** @throws ApiProblem */
export async function signInWithKey(key: string): Promise<void> {
  await post('key', { key });
}

/** @returns where to go: to the provider, to sign out there too. @throws ApiProblem */
export async function signOut(everywhere: boolean): Promise<string> {
  const body: unknown = await (await post('sign-out', { everywhere })).json().catch(() => undefined);
  return isRecord(body) && typeof body['redirectTo'] === 'string' ? body['redirectTo'] : '/console/';
}

/**
 * The address at which the provider signs the operator in.
 * @param returnTo the path of the page to return to
 * @param recent also when there is a session: for actions that need a sign-in of the last minutes
 */
export const signInAddress = (returnTo: string, recent = false): string =>
  `${SESSION}/sign-in?${new URLSearchParams({ returnTo, ...(recent && { recent: '1' }) }).toString()}`;

function post(action: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return send(
    new Request(`${location.origin}${SESSION}/${action}`, { method: 'POST', headers, body: JSON.stringify(body) }),
  );
}
