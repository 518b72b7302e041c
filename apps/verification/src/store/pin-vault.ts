import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { SealBrokenError, type Keyring } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { PinVault, type HashSlot, type StoredCredential } from '../ports.js';

/** Cost of argon2id. OWASP's minimum for argon2id is 19456 KiB, 2 passes, 1 lane. */
export interface HashCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

export interface PinVaultOptions {
  readonly keyring: Keyring;
  readonly cost: HashCost;
  /** Hashes that are handed to the thread pool at a time. */
  readonly concurrency: number;
  /** Guesses that may wait for a hash; beyond it the answer is `unavailable`. */
  readonly queueLimit: number;
}

/** Bounds of a stored hash: a row with others is refused before memory is allocated for it. */
const BOUNDS = { memoryKib: 1_048_576, passes: 10, lanes: 16 };

/** Hashes PINs with argon2id and keeps the hashes wrapped, so that a stolen table verifies nothing. */
export class ArgonPinVault extends PinVault {
  readonly #keyring: Keyring;
  readonly #cost: HashCost;
  readonly #pool: SlotPool;
  /** What a guess is compared with when there is nothing to compare it with: equal cost, and never right. */
  readonly #dummy: string;

  private constructor(options: PinVaultOptions, dummy: string) {
    super();
    this.#keyring = options.keyring;
    this.#cost = options.cost;
    this.#pool = new SlotPool(options.concurrency, options.queueLimit);
    this.#dummy = dummy;
  }

  static async open(options: PinVaultOptions): Promise<ArgonPinVault> {
    return new ArgonPinVault(options, await hashPin(randomBytes(32).toString('base64url'), options.cost));
  }

  /** Guesses that wait or are being hashed. */
  get load(): number {
    return this.#pool.load;
  }

  /** Guesses that wait while every place of the pool hashes: another verdict is certain within the time of a hash. */
  get queued(): number {
    return this.#pool.queued;
  }

  override reserve(): HashSlot | undefined {
    const release = this.#pool.reserve();
    if (!release) return undefined;
    return {
      release,
      compare: (guess, credential) =>
        this.#pool.run(async () => {
          const stored = credential ? this.#unwrap(credential) : undefined;
          const right = await verify(stored ?? this.#dummy, guess);
          return right && stored !== undefined;
        }),
    };
  }

  override async prepare(
    pin: string,
  ): Promise<(row: Omit<StoredCredential, 'keyId' | 'wrapped'>) => { keyId: string; wrapped: Buffer }> {
    const release = this.#pool.reserve();
    if (!release) throw new ServiceError('HASH_QUEUE_FULL', 'Too many PINs wait for their hash', true);
    try {
      const phc = await this.#pool.run(() => hashPin(pin, this.#cost));
      return (row) => {
        const { keyId, bytes } = this.#keyring.wrap(phc, contextOf(row));
        return { keyId, wrapped: bytes };
      };
    } finally {
      release();
    }
  }

  #unwrap(credential: StoredCredential): string {
    let phc: string;
    try {
      phc = this.#keyring.unwrap({ keyId: credential.keyId, bytes: credential.wrapped }, contextOf(credential));
    } catch (error) {
      if (!(error instanceof SealBrokenError)) throw error;
      throw new ServiceError('CREDENTIAL_BROKEN', 'A stored credential does not belong to its row or its key', false);
    }
    if (withinBounds(phc)) return phc;
    throw new ServiceError('CREDENTIAL_BROKEN', 'A stored credential has argon2 parameters out of bounds', false);
  }
}

/** At most `size` tasks at a time and at most `size + queueLimit` reserved places. */
class SlotPool {
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #reserved = 0;

  constructor(
    private readonly size: number,
    private readonly queueLimit: number,
  ) {}

  get load(): number {
    return this.#reserved;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  reserve(): (() => void) | undefined {
    if (this.#reserved >= this.size + this.queueLimit) return undefined;
    this.#reserved += 1;
    let held = true;
    return () => {
      if (held) this.#reserved -= 1;
      held = false;
    };
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

/** argon2id is the library's default algorithm; {@link withinBounds} refuses any other. */
function hashPin(pin: string, cost: HashCost): Promise<string> {
  return hash(pin, {
    memoryCost: cost.memoryKib,
    timeCost: cost.passes,
    parallelism: cost.lanes,
  });
}

/** What a hash is bound to: swapped or copied rows do not open. */
function contextOf(row: Omit<StoredCredential, 'keyId' | 'wrapped'>): string[] {
  return ['pin', row.tenant, row.subject, String(row.version)];
}

function withinBounds(phc: string): boolean {
  const found = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(phc);
  if (!found) return false;
  const [memoryKib, passes, lanes] = found.slice(1).map(Number) as [number, number, number];
  return memoryKib <= BOUNDS.memoryKib && passes <= BOUNDS.passes && lanes <= BOUNDS.lanes;
}
