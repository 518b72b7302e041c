import { type Logger } from '@countersign/observability';
import { type HashCost } from '../hash-bounds.decision.js';
import { type Argon2 } from './argon2.ports.js';
import { NativeArgon2 } from './native-argon2.js';
import { NodeRsArgon2 } from './node-rs-argon2.js';

/**
 * The native module where it was built, else `@node-rs/argon2`, and a line in the log that says which.
 * @param threads how many hashes run at a time
 * @param cost the configured cost of a hash
 */
export function openArgon2(threads: number, cost: HashCost, logger: Logger): Argon2 {
  try {
    const native = NativeArgon2.open(threads, cost);
    if (native) {
      logger.info({ threads, instructions: native.instructions }, 'hashes use native/argon2');
      return native;
    }
  } catch (error) {
    // Built for another system. Hashes of both libraries are the same, so the service need not refuse to start.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_DLOPEN_FAILED') throw error;
    logger.warn({ err: error }, 'native/argon2 does not load here; build it again with "npm run build"');
  }
  logger.info('hashes use @node-rs/argon2');
  return new NodeRsArgon2();
}
