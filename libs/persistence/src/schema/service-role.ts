import { type QueryRunner } from 'typeorm';

/** The role of a service: it has rights and no login. */
export const serviceRole = (schema: string): string => `countersign_${schema}`;

/**
 * Creates the role of a schema, grants it the rows of the schema's tables and nothing else, and grants our login
 * membership. Roles belong to the cluster: copies and other databases may create the same one at the same time. Call it
 * after the migrations, under their lock.
 * @returns undefined when the login can neither create nor use the role; it then works with its own rights
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
  // Only the owner of the schema can grant; another login needs existing grants.
  const isOwner = await isTrue(
    runner,
    `SELECT pg_has_role(nspowner, 'USAGE') AS yes FROM pg_namespace
     WHERE nspname = $1 AND current_user <> $2 AND EXISTS (SELECT FROM pg_roles WHERE rolname = $2)`,
    [schema, role],
  );
  if (isOwner) for (const statement of grants(schema, role)) await runner.query(statement);
  const canUseRole = await isTrue(
    runner,
    `SELECT pg_has_role(oid, 'SET') AND has_schema_privilege(oid, $2, 'USAGE') AS yes FROM pg_roles WHERE rolname = $1`,
    [role, schema],
  );
  return canUseRole ? role : undefined;
}

/** No TRUNCATE, which ignores row-level security; no right on the table of migrations. */
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
