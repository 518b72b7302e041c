import { hash, verify } from '@node-rs/argon2';
import { type HashCost } from '../hash-bounds.decision.js';
import { Argon2 } from './argon2.ports.js';

/** `@node-rs/argon2`, in the threads of libuv's pool. */
export class NodeRsArgon2 extends Argon2 {
  override readonly library = 'node-rs';

  override hash(secret: string, { memoryKib, passes, lanes }: HashCost): Promise<string> {
    // argon2id is the library's default algorithm.
    return hash(secret, { memoryCost: memoryKib, timeCost: passes, parallelism: lanes });
  }

  override verify(phc: string, secret: string): Promise<boolean> {
    return verify(phc, secret);
  }

  override close(): void {
    // The threads are libuv's.
  }
}
