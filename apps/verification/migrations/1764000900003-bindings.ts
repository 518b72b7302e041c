import { Migration, tenantRows } from '@countersign/persistence';

/** What rows are held against that could be put back from an older state. */
export class Bindings1764000900003 extends Migration {
  override readonly statements = [
    // Each version number that a part of a subject ever had. A row is in force only if it has the highest one, so a row
    // from an older state is found. Erasing a subject takes a number too, which no row has: what is erased cannot return.
    `CREATE TABLE verification.versions (
      tenant text NOT NULL,
      subject_id text NOT NULL,
      part text NOT NULL CHECK (part IN ('profile', 'pin', 'knowledge')),
      version integer NOT NULL,
      written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (tenant, subject_id, part, version)
    )`,
    ...tenantRows('verification', ['versions']),
    `CREATE FUNCTION verification.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       RAISE EXCEPTION 'rows of %.% cannot be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME;
     END $$`,
    // The service's role does not own the table, so it cannot drop the trigger.
    `CREATE TRIGGER versions_append_only BEFORE UPDATE OR DELETE ON verification.versions
       FOR EACH ROW EXECUTE FUNCTION verification.refuse_change()`,
  ];
}
