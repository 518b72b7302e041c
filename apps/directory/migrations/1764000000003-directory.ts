import { inboxTable, Migration, outboxTable } from '@countersign/persistence';

/** Tenants, agents, and their policies as they were written (what is in force is computed). */
export class Directory1764000000003 extends Migration {
  override readonly statements = [
    `CREATE TABLE directory.tenants (
      tenant text PRIMARY KEY,
      name text NOT NULL,
      policy jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`,
    // The id is the user name of Basic authentication, so it is unique in the installation, not in the tenant.
    `CREATE TABLE directory.agents (
      agent text PRIMARY KEY,
      tenant text NOT NULL REFERENCES directory.tenants,
      name text NOT NULL,
      policy jsonb NOT NULL,
      passwords jsonb NOT NULL,
      api_keys jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`,
    `CREATE INDEX agents_of_tenant ON directory.agents (tenant)`,
    ...outboxTable('directory'),
    ...inboxTable('directory'),
  ];
}
