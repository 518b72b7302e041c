/** The connection setting that lists the tenants with visible rows. */
export const TENANTS_SETTING = 'countersign.tenants';
/** Rows of all tenants: for maintenance of the service, and for administrators. */
export const ALL_TENANTS = '*';
/** Rows of no tenant: the default of a statement that names none. */
export const NO_TENANTS = '';
/** Precedes each name, so that no name equals {@link ALL_TENANTS}. */
const NAME_PREFIX = '\x1f';

/**
 * The value of {@link TENANTS_SETTING} for these tenants; equal for equal sets.
 * @throws Error for a name with the character U+001F, which would separate two names
 */
export function tenantsValue(tenants: Iterable<string>): string {
  const names = [...new Set(tenants)].sort();
  if (names.some((name) => name.includes(NAME_PREFIX)))
    throw new Error('The name of a tenant holds a control character');
  return names.map((name) => `${NAME_PREFIX}${name}`).join('');
}
