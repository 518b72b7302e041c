import { Migration } from '@countersign/persistence';

/** Makes the keys in use cheap to find at every start, and what a new key has still to wrap. */
export class VerificationKeys1764000400001 extends Migration {
  override readonly statements = [
    'CREATE INDEX credentials_key_id ON verification.credentials (key_id)',
    'CREATE INDEX subjects_profile_key_id ON verification.subjects (profile_key_id)',
  ];
}
