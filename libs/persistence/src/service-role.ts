import { type QueryRunner } from 'typeorm';

/** The role whose rights a service has; without a login of its own. */
export const serviceRole = (schema: string): string => `countersign_${schema}`;

/**
 * Makes the role of a schema, gives it the rows of the schema's tables and nothing else, and the right to become it to our
 * login. Roles belong to the cluster: copies and other databases make the same one at the same time. To be called under
 * the lock of the migrations, after them.
 * @returns undefined when the login may neither make the role nor become it; it then works with its own rights
 */
export async function prepareServiceRole(runner: QueryRunner, schema: string): Promise<string | undefined> {
  const role = serviceRole(schema);
  await runner.query(`DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
      CREATE ROLE ${role} NOLOGIN;
      GRANT ${role} TO CURRENT_USER;
    END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END $$`);
  // The owner of the schema gives the rights; a login that only uses it finds them given, or does without.
  const owned = await isTrue(
    runner,
    `SELECT pg_has_role(nspowner, 'USAGE') AS yes FROM pg_namespace
     WHERE nspname = $1 AND current_user <> $2 AND EXISTS (SELECT FROM pg_roles WHERE rolname = $2)`,
    [schema, role],
  );
  if (owned) for (const statement of grants(schema, role)) await runner.query(statement);
  const usable = await isTrue(
    runner,
    `SELECT pg_has_role(oid, 'SET') AND has_schema_privilege(oid, $2, 'USAGE') AS yes FROM pg_roles WHERE rolname = $1`,
    [role, schema],
  );
  return usable ? role : undefined;
}

/** No TRUNCATE, which asks no policy; no right on what the migrations have run. */
function grants(schema: string, role: string): string[] {
  return [
    `REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
    `REVOKE ALL ON ${schema}.migrations FROM ${role}`,
  ];
}

async function isTrue(runner: QueryRunner, sql: string, params: string[]): Promise<boolean> {
  const rows = (await runner.query(sql, params)) as { yes: boolean }[];
  return rows[0]?.yes === true;
}
