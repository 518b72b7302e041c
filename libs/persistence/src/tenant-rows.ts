import { checkSchemaName } from './schema.js';

/** Holds, on each connection, whose rows a statement may see and write. */
export const TENANTS_SETTING = 'countersign.tenants';
/** Rows of every tenant: for the service's own upkeep, and for people. */
export const ALL_TENANTS = '*';
/** Rows of no tenant: what a statement gets that names none. */
export const NO_TENANTS = '';
/** Stands before each name, so that no name can be taken for {@link ALL_TENANTS}. */
const MARK = '\x1f';

/**
 * The value of {@link TENANTS_SETTING} for these tenants; the same for the same ones.
 * @throws Error for a name with the character U+001F, which would stand for two names
 */
export function tenantsValue(tenants: Iterable<string>): string {
  const names = [...new Set(tenants)].sort();
  if (names.some((name) => name.includes(MARK))) throw new Error('The name of a tenant holds a control character');
  return names.map((name) => `${MARK}${name}`).join('');
}

/**
 * The statements that keep the rows of tenants apart, for a migration: each table must have a column `tenant`. Forced, so
 * that they bind the owner too; a superuser, and who has BYPASSRLS, sees everything.
 */
export function tenantRows(schema: string, tables: readonly string[]): string[] {
  const value = `current_setting('${TENANTS_SETTING}', true)`;
  return tables.flatMap((table) => {
    const name = `${checkSchemaName(schema)}.${checkSchemaName(table)}`;
    return [
      `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
      `CREATE POLICY tenant_rows ON ${name}
       USING (tenant = ANY (string_to_array(${value}, U&'\\001F')) OR ${value} = '${ALL_TENANTS}')`,
    ];
  });
}
