import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';

/** A stored reply, and what it answers. */
export interface TaggedReply {
  readonly tenant: string;
  readonly commandId: string;
  /** Of the content of the command: the reply to it is no reply to anything else under the same id. */
  readonly fingerprint: string;
  readonly attemptId: string;
  /** As it stands in its column. */
  readonly reply: string;
}

/**
 * Proves of stored replies that this service wrote them, for this command and this try. A repeated command gets what is
 * stored, and a success a receipt: without a key that the database does not have, one UPDATE would verify anybody.
 */
export class ReplyTags {
  constructor(private readonly hash: KeyedHash) {}

  of({ tenant, commandId, fingerprint, attemptId, reply }: TaggedReply): string {
    return this.hash.hash('reply', tenant, commandId, fingerprint, attemptId, reply);
  }

  /** Compares in constant time. A reply without a tag is nobody's. */
  isRight(tag: string | null, reply: TaggedReply): boolean {
    return tag !== null && constantTimeEquals(tag, this.of(reply));
  }
}
