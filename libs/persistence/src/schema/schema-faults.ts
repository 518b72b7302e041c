import { serviceRole } from './service-role.js';
import { type Sql } from '../session.js';
import { TENANTS_SETTING } from '../tenant-rows.js';

/** A fault in the schema of a service, and how to mend it. */
export interface SchemaFault {
  readonly kind: 'role' | 'right' | 'row-security';
  readonly problem: string;
  /** What to do, with the SQL statement where there is one. */
  readonly cure: string;
}

/**
 * Faults that let a statement reach rows of other tenants, or none: tables without forced row-level security, a role that
 * is exempt from it, and missing rights of the role. PostgreSQL reports none of them by itself.
 */
export async function schemaFaults(sql: Pick<Sql, 'query'>, schema: string): Promise<SchemaFault[]> {
  const role = serviceRole(schema);
  return [...(await roleFaults(sql, schema, role)), ...(await rowSecurityFaults(sql, schema))];
}

async function roleFaults(sql: Pick<Sql, 'query'>, schema: string, role: string): Promise<SchemaFault[]> {
  const [found] = await sql.query<{ exempt: boolean; usable: boolean; enters: boolean }>(
    `SELECT rolsuper OR rolbypassrls AS exempt, pg_has_role(oid, 'SET') AS usable,
       has_schema_privilege(oid, $2, 'USAGE') AS enters FROM pg_roles WHERE rolname = $1`,
    [role, schema],
  );
  // Without the role the service has the rights of its login, which the start reports.
  if (found === undefined) return [];
  const faults: SchemaFault[] = [];
  if (found.exempt) {
    faults.push({
      kind: 'role',
      problem: `row-level security does not apply to the role ${role}`,
      cure: `as a superuser: ALTER ROLE ${role} NOSUPERUSER NOBYPASSRLS`,
    });
  }
  if (!found.usable) return faults;
  if (!found.enters) {
    faults.push({
      kind: 'right',
      problem: `the role ${role} may not enter the schema ${schema}`,
      cure: `as the owner: GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    });
  }
  const lacking = await sql.query<{ name: string; rights: string }>(
    `SELECT c.relname AS name, string_agg(p, ', ') AS rights
     FROM pg_class c CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
     WHERE c.relnamespace = to_regnamespace($2) AND c.relkind IN ('r', 'p') AND c.relname <> 'migrations'
       AND NOT has_table_privilege($1, c.oid, p)
     GROUP BY 1 ORDER BY 1`,
    [role, schema],
  );
  for (const { name, rights } of lacking) {
    faults.push({
      kind: 'right',
      problem: `the role ${role} lacks ${rights} on ${schema}.${name}`,
      cure: `as the owner: GRANT ${rights} ON ${schema}.${name} TO ${role}`,
    });
  }
  return faults;
}

async function rowSecurityFaults(sql: Pick<Sql, 'query'>, schema: string): Promise<SchemaFault[]> {
  const tables = await sql.query<{ name: string; isForced: boolean; restricts: boolean }>(
    `SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS "isForced",
       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND pg_get_expr(p.polqual, p.polrelid) LIKE '%${TENANTS_SETTING}%')
         AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
           AND COALESCE(pg_get_expr(p.polqual, p.polrelid), '') NOT LIKE '%${TENANTS_SETTING}%') AS restricts
     FROM pg_class c
     WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped)
     ORDER BY 1`,
    [schema],
  );
  return tables.flatMap(({ name, isForced, restricts }): SchemaFault[] => {
    const table = `${schema}.${name}`;
    if (!isForced) {
      return [
        {
          kind: 'row-security',
          problem: `row-level security is not forced on ${table}: it does not separate tenants`,
          cure: `find out who changed it, then as the owner: ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
        },
      ];
    }
    if (restricts) return [];
    return [
      {
        kind: 'row-security',
        problem: `the policies of ${table} do not restrict rows to the tenants of a statement`,
        cure: `find out who changed them, and create the policy of the migrations again`,
      },
    ];
  });
}
