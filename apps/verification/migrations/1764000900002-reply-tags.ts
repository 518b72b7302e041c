import { Migration } from '@countersign/persistence';

/** What proves that a stored reply is the one that the service wrote. */
export class ReplyTags1764000900002 extends Migration {
  override readonly statements = [
    // Replies of before have none and are not given again: who could write a reply could have written those.
    'ALTER TABLE verification.commands ADD COLUMN reply_tag text',
  ];
}
