import { type HashCost } from '../hash-bounds.decision.js';

/** Computes argon2id (RFC 9106, version 0x13). Callers bound how many run at a time. */
export abstract class Argon2 {
  /** The library in use, for the log and the metric. */
  abstract readonly library: string;

  /** A PHC string with a new salt of 16 bytes and a tag of 32. */
  abstract hash(secret: string, cost: HashCost): Promise<string>;

  /**
   * Compares in constant time.
   * @param phc an argon2id string within the bounds of `costOf`
   */
  abstract verify(phc: string, secret: string): Promise<boolean>;

  /** Ends threads of its own, if it has any. */
  abstract close(): void;
}
