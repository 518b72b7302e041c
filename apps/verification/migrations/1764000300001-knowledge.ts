import { Migration } from '@countersign/persistence';

/** Answers beside PINs, and PINs that must be changed. */
export class VerificationKnowledge1764000300001 extends Migration {
  override readonly statements = [
    `ALTER TABLE verification.credentials
       DROP CONSTRAINT credentials_kind_check,
       ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('pin', 'knowledge')),
       ADD COLUMN must_change boolean NOT NULL DEFAULT false`,
  ];
}
