import { type OperatorRoleName, type RoleGrant } from '@countersign/contracts';

/** From a value of the claim to a role. */
export type RoleMap = ReadonlyMap<string, RoleGrant>;

const ROLES: readonly OperatorRoleName[] = ['viewer', 'operator', 'admin', 'auditor'];
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/** Most roles of one operator. A provider can state thousands of groups. */
const MAX_GRANTS = 100;
/** Most tenants of one role, as the message about a session has it. */
const MAX_TENANTS = 1000;

/** @param json undefined: the names of the roles themselves. @returns undefined when the text breaks a rule */
export function readRoleMap(json: string | undefined): RoleMap | undefined {
  if (json === undefined) return new Map(ROLES.map((role) => [role, { role }]));
  try {
    const parsed = JSON.parse(json) as unknown;
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
    const entries = Object.entries(parsed);
    if (!entries.every(([, grant]) => isGrant(grant))) return undefined;
    return new Map(entries as [string, RoleGrant][]);
  } catch {
    return undefined;
  }
}

function isGrant(value: unknown): value is RoleGrant {
  if (typeof value !== 'object' || value === null) return false;
  const { role, tenants, ...others } = value as Record<string, unknown>;
  if (!(ROLES as readonly unknown[]).includes(role) || Object.keys(others).length > 0) return false;
  if (tenants === undefined) return true;
  if (!Array.isArray(tenants) || tenants.length === 0 || tenants.length > MAX_TENANTS) return false;
  return tenants.every((one) => NAME.test(String(one)));
}

/**
 * The roles that the claims of a person give.
 * @param claim its name, or a path of names with dots between
 */
export function grantsOf(claims: Readonly<Record<string, unknown>>, claim: string, roles: RoleMap): RoleGrant[] {
  const grants = [...new Set(valuesOf(claimOf(claims, claim)))].flatMap((value) => roles.get(value) ?? []);
  return grants.slice(0, MAX_GRANTS);
}

function claimOf(claims: Readonly<Record<string, unknown>>, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim];
  return claim
    .split('.')
    .reduce<unknown>(
      (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      claims,
    );
}

/** Providers state roles as a list, as one text, or as an object with a field for each. */
function valuesOf(value: unknown): string[] {
  if (typeof value === 'string') return value.split(' ');
  if (Array.isArray(value)) return value.filter((one) => typeof one === 'string');
  // {"admin": false} states that the person is no admin.
  return isObject(value) ? Object.keys(value).filter((name) => Boolean(value[name])) : [];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
