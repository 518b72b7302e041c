import { Migration } from '@countersign/persistence';

/** The keys that wrap subjects' own keys, cheap to find at every start. */
export class SubjectKeyIndex1764000500002 extends Migration {
  override readonly statements = ['CREATE INDEX subject_keys_key_id ON verification.subject_keys (key_id)'];
}
