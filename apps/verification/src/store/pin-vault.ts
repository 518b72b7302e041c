import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { SealBrokenError, type Keyring } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { credentialContext } from '@countersign/stored-secrets';
import { PinVault, type HashSlot, type StoredCredential } from '../ports.js';
import { costOf, sameCost, type HashCost } from './hash-bounds.js';
import { HashPool } from './hash-pool.js';
import { type ReportTampering, type Tampering } from './tamper-reports.js';

type Wrapped = Pick<StoredCredential, 'keyId' | 'wrapped'>;

export interface PinVaultOptions {
  readonly keyring: Keyring;
  readonly cost: HashCost;
  /** Hashes that are handed to the thread pool at a time. */
  readonly concurrency: number;
  /** Guesses that may wait for a hash; beyond it the answer is `unavailable`. */
  readonly queueLimit: number;
  /** Told of every stored value that does not open. */
  readonly report?: ReportTampering;
  /**
   * Takes a hash that was made anew with the cost of today, in the place of the old one and of no other. Without it old
   * hashes stay.
   */
  readonly replace?: (old: StoredCredential, anew: Wrapped) => Promise<void>;
}

/** Hashes PINs with argon2id and keeps the hashes wrapped, so that a stolen table verifies nothing. */
export class ArgonPinVault extends PinVault {
  readonly #options: PinVaultOptions;
  readonly #pool: HashPool;
  /** What a guess is compared with when there is nothing to compare it with: equal cost, and never right. */
  readonly #dummy: string;

  private constructor(options: PinVaultOptions, dummy: string) {
    super();
    this.#options = options;
    this.#pool = new HashPool(options.concurrency, options.queueLimit);
    this.#dummy = dummy;
  }

  static async open(options: PinVaultOptions): Promise<ArgonPinVault> {
    return new ArgonPinVault(options, await hashPin(randomBytes(32).toString('base64url'), options.cost));
  }

  /** Guesses that wait or are being hashed. */
  get load(): number {
    return this.#pool.load;
  }

  /** Hashes that wait for their turn. */
  get waiting(): number {
    return this.#pool.waiting;
  }

  /** Guesses that wait while every place of the pool hashes: another verdict is certain within the time of a hash. */
  get queued(): number {
    return this.#pool.queued;
  }

  override reserve(): HashSlot | undefined {
    const release = this.#pool.reserve();
    if (!release) return undefined;
    let outdated: (() => Promise<void>) | undefined;
    return {
      // A place is given back when the verdict is durable: no caller waits for what happens from here on.
      release: () => {
        release();
        if (outdated) this.#pool.later(outdated);
        outdated = undefined;
      },
      compare: (attempt, guess, credential) =>
        this.#pool.run(async () => {
          // A try that was not granted is hashed all the same, but never against the real credential.
          const stored = attempt.granted && credential ? await this.#unwrap(credential) : undefined;
          const right = await verify(stored ?? this.#dummy, guess);
          if (!right || stored === undefined || credential === undefined) return false;
          if (this.#isOutdated(stored)) outdated = () => this.#rehash(guess, credential);
          return true;
        }),
    };
  }

  override async prepare(
    pin: string,
  ): Promise<(row: Omit<StoredCredential, 'keyId' | 'wrapped'>) => { keyId: string; wrapped: Buffer }> {
    const release = this.#pool.reserve();
    if (!release) throw new ServiceError('HASH_QUEUE_FULL', 'Too many PINs wait for their hash', true);
    try {
      const phc = await this.#pool.run(() => hashPin(pin, this.#options.cost));
      return (row) => this.#wrap(phc, row);
    } finally {
      release();
    }
  }

  #isOutdated(phc: string): boolean {
    const cost = costOf(phc);
    return cost !== undefined && !sameCost(cost, this.#options.cost);
  }

  /** The version stays: it is the same PIN in the same row. */
  async #rehash(pin: string, old: StoredCredential): Promise<void> {
    const phc = await hashPin(pin, this.#options.cost);
    await this.#options.replace?.(old, this.#wrap(phc, old));
  }

  #wrap(phc: string, row: Omit<StoredCredential, keyof Wrapped>): Wrapped {
    const { keyId, bytes } = this.#options.keyring.wrap(phc, contextOf(row));
    return { keyId, wrapped: bytes };
  }

  async #unwrap(credential: StoredCredential): Promise<string> {
    const { keyring } = this.#options;
    let phc: string;
    try {
      phc = keyring.unwrap({ keyId: credential.keyId, bytes: credential.wrapped }, contextOf(credential));
    } catch (error) {
      if (!(error instanceof SealBrokenError)) throw error;
      const reason = keyring.has(credential.keyId) ? 'altered' : 'unknown_key';
      return this.#broken(credential, reason, 'A stored credential does not belong to its row or its key');
    }
    if (costOf(phc) !== undefined) return phc;
    return this.#broken(credential, 'parameters', 'A stored credential has argon2 parameters out of bounds');
  }

  async #broken(row: StoredCredential, reason: Tampering['reason'], message: string): Promise<never> {
    const { tenant, subject } = row;
    await this.#options.report?.({ what: 'credential', reason, tenant, subject });
    throw new ServiceError('CREDENTIAL_BROKEN', message, false);
  }
}

/** argon2id is the library's default algorithm; {@link costOf} refuses any other. */
function hashPin(pin: string, cost: HashCost): Promise<string> {
  return hash(pin, {
    memoryCost: cost.memoryKib,
    timeCost: cost.passes,
    parallelism: cost.lanes,
  });
}

const contextOf = (row: Omit<StoredCredential, keyof Wrapped>): string[] => credentialContext({ kind: 'pin', ...row });
