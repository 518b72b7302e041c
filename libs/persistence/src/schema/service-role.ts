import { type QueryRunner } from 'typeorm';
import { type Sql } from '../session.js';

/** The role of a service: it has rights and no login. */
export const serviceRole = (schema: string): string => `countersign_${schema}`;

/** A role that reads some tables of a schema, for a process that is not the service of the schema. */
export interface ReaderRole {
  readonly role: string;
  readonly schema: string;
  readonly tables: readonly string[];
}

/**
 * Creates the role of a schema, grants it the rows of the schema's tables and nothing else, and grants our login
 * membership. Roles belong to the cluster: copies and other databases may create the same one at the same time. Call it
 * after the migrations, under their lock.
 * @returns undefined when the login can neither create nor use the role; it then works with its own rights
 */
export async function prepareServiceRole(runner: QueryRunner, schema: string): Promise<string | undefined> {
  const role = serviceRole(schema);
  if (await createRole(runner, schema, role))
    for (const statement of grants(schema, role)) await runner.query(statement);
  const canUseRole = await isTrue(
    runner,
    `SELECT pg_has_role(oid, 'SET') AND has_schema_privilege(oid, $2, 'USAGE') AS yes FROM pg_roles WHERE rolname = $1`,
    [role, schema],
  );
  return canUseRole ? role : undefined;
}

/** Creates a reader's role as {@link prepareServiceRole} does, and takes every other right in the schema away from it. */
export async function prepareReaderRole(runner: QueryRunner, { role, schema, tables }: ReaderRole): Promise<void> {
  if (!(await createRole(runner, schema, role))) return;
  // In one transaction, so a running reader never lacks its rights.
  await runner.query(`REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM ${role};
    GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT ON ${tables.map((table) => `${schema}.${table}`).join(', ')} TO ${role}`);
}

/**
 * The role for a reader, and why it cannot read.
 * @returns `role` undefined when the login cannot use it; the reader then works with the rights of the login
 */
export async function readerState(
  sql: Pick<Sql, 'query'>,
  { role, schema, tables }: ReaderRole,
): Promise<{ readonly role: string | undefined; readonly unreadable: readonly string[] }> {
  const [found] = await sql.query<{ usable: boolean }>(
    `SELECT pg_has_role(oid, 'SET') AS usable FROM pg_roles WHERE rolname = $1`,
    [role],
  );
  const usedRole = found?.usable === true ? role : undefined;
  const rows = await sql.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name LEFT JOIN pg_namespace n ON n.nspname = $2
       LEFT JOIN pg_class c ON c.relname = name AND c.relnamespace = n.oid
     WHERE c.oid IS NULL OR NOT has_schema_privilege(coalesce($3, current_user), n.oid, 'USAGE')
       OR NOT has_table_privilege(coalesce($3, current_user), c.oid, 'SELECT')`,
    [tables, schema, usedRole ?? null],
  );
  return { role: usedRole, unreadable: rows.map(({ name }) => `${schema}.${name}`) };
}

/** @returns whether we may grant rights: only the owner of the schema may; another login needs existing grants */
async function createRole(runner: QueryRunner, schema: string, role: string): Promise<boolean> {
  await runner.query(`DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
      CREATE ROLE ${role} NOLOGIN;
      GRANT ${role} TO CURRENT_USER;
    END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END $$`);
  return isTrue(
    runner,
    `SELECT pg_has_role(nspowner, 'USAGE') AS yes FROM pg_namespace
     WHERE nspname = $1 AND current_user <> $2 AND EXISTS (SELECT FROM pg_roles WHERE rolname = $2)`,
    [schema, role],
  );
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
