import { Migration } from '@countersign/persistence';

/**
 * Which rows are bound to all that they should be bound to. False for rows of before, and for those that a copy of the
 * service writes that does not know the column: `keys rewrap` binds them anew.
 */
export class Bindings1764000900003 extends Migration {
  override readonly statements = [
    'ALTER TABLE verification.credential_history ADD COLUMN bound boolean NOT NULL DEFAULT false',
  ];
}
