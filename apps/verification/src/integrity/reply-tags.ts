import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';

/** A stored reply and the command that it belongs to. */
export interface TaggedReply {
  readonly tenant: string;
  readonly commandId: string;
  /** Fingerprint of the command, so the reply is not valid for other content under the same id. */
  readonly fingerprint: string;
  readonly attemptId: string;
  /** The text of the column. */
  readonly reply: string;
}

/**
 * Proves that this service wrote a stored reply, for this command and this attempt. A repeated command gets the stored reply,
 * and a success gets a receipt. Without a key that the database does not have, one UPDATE could forge a verification.
 */
export class ReplyTags {
  constructor(private readonly hash: KeyedHash) {}

  of({ tenant, commandId, fingerprint, attemptId, reply }: TaggedReply): string {
    return this.hash.hash('reply', tenant, commandId, fingerprint, attemptId, reply);
  }

  /** Compares in constant time. A reply without a tag is never accepted. */
  isRight(tag: string | null, reply: TaggedReply): boolean {
    return tag !== null && constantTimeEquals(tag, this.of(reply));
  }
}
