import { Migration } from '@countersign/persistence';

/** Makes the keys that wrap the keys of subjects cheap to find at every start. */
export class SubjectKeysInUse1764000500002 extends Migration {
  override readonly statements = ['CREATE INDEX subject_keys_key_id ON verification.subject_keys (key_id)'];
}
