import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { costOf, type HashCost } from '../hash-bounds.decision.js';
import { Argon2 } from './argon2.ports.js';

/** `native/argon2`, where it was built. From the sources and from their build, the path is the same. */
const MODULE = '../../../../../native/argon2/argon2.node';
const SALT_BYTES = 16;
const TAG_BYTES = 32;
/** The same as that of libuv's pool (`tools/process.cjs`), so hashes do not delay the event loop. */
const NICENESS = 10;

/** What `native/argon2/src/lib.rs` exports. */
interface NativeThreads {
  readonly instructions: string;
  derive(
    secret: string,
    salt: Uint8Array,
    memoryKib: number,
    passes: number,
    lanes: number,
    length: number,
  ): Promise<Buffer>;
  close(): void;
}
interface NativeModule {
  readonly HashThreads: new (threads: number, memoryKib: number, lanes: number, niceness: number) => NativeThreads;
}

/** argon2id in threads of its own that keep their memory. */
export class NativeArgon2 extends Argon2 {
  override readonly library = 'native';
  readonly #threads: NativeThreads;

  private constructor(threads: NativeThreads) {
    super();
    this.#threads = threads;
  }

  /**
   * @param threads how many hashes run at a time; more wait
   * @param usual cost of most hashes: each thread keeps memory for it. A hash that needs more gets memory for itself, and so
   *   does one with several lanes where `usual` has one
   * @returns undefined where the module was not built
   * @throws when the memory or a thread is not available
   */
  static open(threads: number, usual: Pick<HashCost, 'memoryKib' | 'lanes'>): NativeArgon2 | undefined {
    let native: NativeModule;
    try {
      native = createRequire(import.meta.url)(MODULE) as NativeModule;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
      throw error;
    }
    return new NativeArgon2(new native.HashThreads(threads, usual.memoryKib, usual.lanes, NICENESS));
  }

  /** The instructions that hashes use, for example `avx2`. */
  get instructions(): string {
    return this.#threads.instructions;
  }

  override async hash(secret: string, cost: HashCost): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const tag = await this.#derive(secret, salt, cost, TAG_BYTES);
    return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.lanes}$${base64(salt)}$${base64(tag)}`;
  }

  override async verify(phc: string, secret: string): Promise<boolean> {
    const cost = costOf(phc);
    const [salt, tag] = phc.split('$').slice(-2);
    if (cost === undefined || salt === undefined || tag === undefined) throw new Error('not an argon2id string');
    const expected = Buffer.from(tag, 'base64');
    const derived = await this.#derive(secret, Buffer.from(salt, 'base64'), cost, expected.length);
    return timingSafeEqual(derived, expected);
  }

  override close(): void {
    this.#threads.close();
  }

  #derive(secret: string, salt: Uint8Array, { memoryKib, passes, lanes }: HashCost, length: number): Promise<Buffer> {
    return this.#threads.derive(secret, salt, memoryKib, passes, lanes, length);
  }
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
