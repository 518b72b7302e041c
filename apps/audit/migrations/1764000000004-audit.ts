import { Migration } from '@countersign/persistence';

/** The trail. `idx` is the place of an entry in the log's tree; it is given when the tree takes the entry in. */
export class Audit1764000000004 extends Migration {
  override readonly statements = [
    `CREATE TABLE audit.entries (
      event_id uuid PRIMARY KEY,
      idx bigint UNIQUE,
      kind text NOT NULL,
      tenant text NOT NULL,
      subject text,
      call_id text,
      time timestamptz NOT NULL,
      value bytea NOT NULL,
      recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`,
    `CREATE INDEX entries_by_tenant ON audit.entries (tenant, time)`,
    // Append only, also for the service itself: what stands is never changed or removed.
    `CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND OLD.idx IS NULL AND
           (NEW.event_id, NEW.kind, NEW.tenant, NEW.time, NEW.value) =
           (OLD.event_id, OLD.kind, OLD.tenant, OLD.time, OLD.value) THEN
          RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the audit trail is append-only';
      END $$`,
    `CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON audit.entries
       FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()`,
  ];
}
