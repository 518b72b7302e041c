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
    // The key under which the tables name references, numbers, callers and commands, wrapped by the keyring. There is one.
    `CREATE TABLE verification.names_key (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      key_id text NOT NULL,
      wrapped bytea NOT NULL
    )`,
    // The service's role owns none of these tables, so it cannot drop the triggers. A superuser could: it passes.
    `CREATE FUNCTION verification.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
         RAISE EXCEPTION 'rows of %.% cannot be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME;
       ELSIF TG_OP = 'DELETE' THEN
         RETURN OLD;
       END IF;
       RETURN NEW;
     END $$`,
    `CREATE TRIGGER versions_append_only BEFORE UPDATE OR DELETE ON verification.versions
       FOR EACH ROW EXECUTE FUNCTION verification.refuse_change()`,
    // A new key would begin every counter anew. Wrapping it anew is an UPDATE; other bytes do not open, and stop the start.
    `CREATE TRIGGER names_key_kept BEFORE DELETE ON verification.names_key
       FOR EACH ROW EXECUTE FUNCTION verification.refuse_change()`,
    // What was counted stays, and is decided once: an emptied outcome would let a submitted secret be compared again.
    `CREATE TRIGGER attempts_decided_once BEFORE UPDATE ON verification.attempts FOR EACH ROW
       WHEN ((OLD.attempt_id, OLD.command_id, OLD.tenant, OLD.agent, OLD.guard_key, OLD.subject_id, OLD.number, OLD.granted,
              OLD.spent_at, OLD.after) IS DISTINCT FROM
             (NEW.attempt_id, NEW.command_id, NEW.tenant, NEW.agent, NEW.guard_key, NEW.subject_id, NEW.number, NEW.granted,
              NEW.spent_at, NEW.after)
         OR OLD.outcome IS NOT NULL AND
            (OLD.outcome, OLD.decided_at) IS DISTINCT FROM (NEW.outcome, NEW.decided_at))
       EXECUTE FUNCTION verification.refuse_change()`,
    // Old rows of decoys are purged. A day is the longest lock by default, and the shortest age of a decoy that is purged.
    `CREATE TRIGGER attempts_kept BEFORE DELETE ON verification.attempts FOR EACH ROW
       WHEN (OLD.spent_at > clock_timestamp() - interval '1 day') EXECUTE FUNCTION verification.refuse_change()`,
    // A command stays bound to the content that was counted, until it may be counted anew.
    `CREATE TRIGGER commands_bound BEFORE UPDATE ON verification.commands FOR EACH ROW
       WHEN (OLD.command_id <> NEW.command_id OR OLD.attempt_id = NEW.attempt_id AND
         (OLD.fingerprint, OLD.received_at, OLD.repeat_until) IS DISTINCT FROM
         (NEW.fingerprint, NEW.received_at, NEW.repeat_until))
       EXECUTE FUNCTION verification.refuse_change()`,
    `CREATE TRIGGER commands_kept BEFORE DELETE ON verification.commands FOR EACH ROW
       WHEN (OLD.repeat_until > clock_timestamp()) EXECUTE FUNCTION verification.refuse_change()`,
    // A spent receipt stays spent until its time is over.
    `CREATE TRIGGER receipts_stay_spent BEFORE UPDATE ON verification.receipts_consumed
       FOR EACH ROW EXECUTE FUNCTION verification.refuse_change()`,
    `CREATE TRIGGER receipts_kept BEFORE DELETE ON verification.receipts_consumed FOR EACH ROW
       WHEN (OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION verification.refuse_change()`,
  ];
}
