import { randomBytes } from 'node:crypto';
import { verify as verifyBcrypt } from '@node-rs/bcrypt';
import { type Requester } from '@countersign/contracts';
import { constantTimeEquals, DecryptionError, type Keyring } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { credentialContext } from '@countersign/stored-secrets';
import { type Argon2 } from './argon2/argon2.ports.js';
import { NodeRsArgon2 } from './argon2/node-rs-argon2.js';
import { PIN_HISTORY } from './pin-rules.decision.js';
import { PinVault, type HashPrecedence, type HashSlot } from './credentials.ports.js';
import {
  type KnowledgeAnswers,
  type CredentialRow,
  type RemovedPin,
  type StoredCredential,
  type WrappedCredential,
} from './credential.decision.js';
import { costOf, dummyOf, isBcrypt, sameCost, type HashCost } from './hash-bounds.decision.js';
import { HashPool, type BackgroundHash } from './hash-pool.js';
import { type ReportTampering, type Tampering } from '../integrity/tamper-reports.store.js';

export interface PinVaultOptions {
  readonly keyring: Keyring;
  readonly cost: HashCost;
  /** Default `@node-rs/argon2`. */
  readonly argon2?: Argon2;
  /** The maximum number of hashes in the thread pool at a time. */
  readonly concurrency: number;
  /** How many of them only tenants without a running hash may have. Default 0. */
  readonly reserved?: number;
  /** The maximum number of attempts that wait for a hash; beyond it the outcome is `unavailable`. */
  readonly queueLimit: number;
  /** Called for every stored value that does not decrypt. */
  readonly report?: ReportTampering;
  /** Replaces a stored hash by one of the configured cost, unless the row changed since. Without it, old hashes stay. */
  readonly replace?: (old: StoredCredential, rehashed: WrappedCredential) => Promise<void>;
}

/** All enrolments of a tenant together take one turn among its agents. */
const enrolmentsOf = (tenant: string): Requester => ({ tenant, agent: '', caller: 'enrolments' });

/** Hashes PINs and answers with argon2id and encrypts the hashes, so a stolen table cannot verify a PIN. */
export class ArgonPinVault extends PinVault {
  readonly #options: PinVaultOptions;
  readonly #argon2: Argon2;
  readonly #pool: HashPool;
  /** Compared with a submitted secret if there is no stored one: equal cost, and never a match. */
  readonly #dummy: string;

  private constructor(options: PinVaultOptions, argon2: Argon2, dummy: string) {
    super();
    this.#options = options;
    this.#argon2 = argon2;
    this.#pool = new HashPool(options.concurrency, options.queueLimit, options.reserved);
    this.#dummy = dummy;
  }

  static async open(options: PinVaultOptions): Promise<ArgonPinVault> {
    const { argon2 = new NodeRsArgon2(), cost } = options;
    return new ArgonPinVault(options, argon2, await argon2.hash(randomBytes(32).toString('base64url'), cost));
  }

  /** Attempts that wait or are being hashed. */
  get load(): number {
    return this.#pool.load;
  }

  /** Hashes that wait. */
  get waiting(): number {
    return this.#pool.waiting;
  }

  /** Waiting hashes of a tenant: as many outcomes of it follow within the time of a few hashes. */
  queuedOf(tenant: string): number {
    return this.#pool.queuedOf(tenant);
  }

  override reserve(requester: Requester): HashSlot | undefined {
    const release = this.#pool.reserve(requester.tenant);
    if (!release) return undefined;
    let outdated: BackgroundHash | undefined;
    return {
      // The slot is released when the outcome is durable. No caller waits for the rehash.
      release: () => {
        release();
        if (outdated) this.#pool.runInBackground(outdated);
        outdated = undefined;
      },
      compare: (attempt, submittedPin, credential, hashForm) =>
        this.#pool.run(requester, async () => {
          // An attempt that was not granted is hashed too, but never against the real credential.
          const [stored, ...earlier] = attempt.granted && credential ? await this.#unwrapPins(credential) : [];
          if (
            !(await this.#matches(submittedPin, stored, hashForm)) ||
            stored === undefined ||
            credential === undefined
          )
            return false;
          if (this.#isOutdated(stored)) outdated = () => this.#rehash(submittedPin, earlier, credential);
          return true;
        }),
      compareAnswers: async (attempt, submittedAnswers, credential) => {
        const stored = attempt.granted && credential ? await this.#unwrapHashes(credential) : undefined;
        let allMatch = submittedAnswers.size > 0;
        // Compares every answer, so the time does not reveal which one was wrong, or whether one is enrolled.
        for (const [question, answer] of submittedAnswers) {
          const matches = await this.#pool.run(requester, () => this.#matches(answer, stored?.get(question)));
          allMatch &&= matches;
        }
        if (!allMatch || stored === undefined || credential === undefined) return false;
        const old = [...submittedAnswers].filter(([question]) => this.#isOutdated(stored.get(question) ?? ''));
        if (old.length > 0) outdated = () => this.#rehashAnswers(old, stored, credential);
        return true;
      },
    };
  }

  override async prepare(
    pin: string,
    tenant: string,
    before?: StoredCredential | RemovedPin,
    again = false,
    precedence: HashPrecedence = 'live',
  ): Promise<(row: CredentialRow) => WrappedCredential> {
    const phc = await this.#reserved(tenant, precedence, () => this.#hash(pin, tenant, precedence));
    const earlier = (await this.#lastPins(before)).slice(again ? 1 : 0, PIN_HISTORY - (again ? 0 : 1));
    return (row) => this.#wrap(JSON.stringify([phc, ...earlier]), row);
  }

  override async prepareImported(
    imported: string,
    before?: StoredCredential | RemovedPin,
  ): Promise<(row: CredentialRow) => WrappedCredential> {
    const earlier = (await this.#lastPins(before)).slice(0, PIN_HISTORY - 1);
    return (row) => this.#wrap(JSON.stringify([imported, ...earlier]), row);
  }

  override async isInForce(imported: string, inForce: StoredCredential | undefined): Promise<boolean> {
    const [stored] = await this.#lastPins(inForce);
    return stored !== undefined && constantTimeEquals(stored, imported);
  }

  override async prepareAnswers(
    answers: KnowledgeAnswers,
    tenant: string,
    precedence: HashPrecedence = 'live',
  ): Promise<(row: CredentialRow) => WrappedCredential> {
    const hashes = await this.#reserved(tenant, precedence, async () => {
      const hashed: [question: string, phc: string][] = [];
      for (const [question, answer] of answers) hashed.push([question, await this.#hash(answer, tenant, precedence)]);
      return hashed;
    });
    return (row) => this.#wrap(JSON.stringify(hashes), row);
  }

  override async positionInHistory(
    pin: string,
    last: StoredCredential | RemovedPin | undefined,
    precedence: HashPrecedence = 'live',
  ): Promise<number> {
    const pins = await this.#lastPins(last);
    if (last === undefined || pins.length === 0) return -1;
    const { tenant } = last;
    return this.#reserved(tenant, precedence, async () => {
      for (const [position, phc] of pins.entries()) {
        if (await this.#run(tenant, precedence, () => this.#matches(pin, phc))) return position;
      }
      return -1;
    });
  }

  /** Without a stored hash: false, at the cost of the form. */
  async #matches(submitted: string, stored: string | undefined, hashForm?: string): Promise<boolean> {
    const compared = stored ?? (hashForm === undefined ? undefined : dummyOf(hashForm)) ?? this.#dummy;
    const matches = await (isBcrypt(compared)
      ? verifyBcrypt(submitted, compared)
      : this.#argon2.verify(compared, submitted));
    return matches && stored !== undefined;
  }

  #hash(secret: string, tenant: string, precedence: HashPrecedence): Promise<string> {
    return this.#run(tenant, precedence, () => this.#argon2.hash(secret, this.#options.cost));
  }

  #run<T>(tenant: string, precedence: HashPrecedence, task: () => Promise<T>): Promise<T> {
    return precedence === 'live' ? this.#pool.run(enrolmentsOf(tenant), task) : this.#pool.runImport(task);
  }

  async #reserved<T>(tenant: string, precedence: HashPrecedence, work: () => Promise<T>): Promise<T> {
    if (precedence === 'background') return work();
    const release = this.#pool.reserve(tenant);
    if (!release) throw new ServiceError('HASH_QUEUE_FULL', 'Too many secrets wait for their hash', true);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #isOutdated(phc: string): boolean {
    const cost = costOf(phc);
    return isBcrypt(phc) || (cost !== undefined && !sameCost(cost, this.#options.cost));
  }

  /** The version stays, because the PIN is the same. */
  async #rehash(pin: string, earlier: readonly string[], old: StoredCredential): Promise<undefined> {
    const phc = await this.#argon2.hash(pin, this.#options.cost);
    await this.#options.replace?.(old, this.#wrap(JSON.stringify([phc, ...earlier]), { ...old, hashForm: undefined }));
  }

  /**
   * Rehashes one answer at a time, after the attempts that wait by then, and writes all of them at the end. The version stays.
   * Answers to questions that this attempt did not include keep their hashes.
   */
  async #rehashAnswers(
    [first, ...rest]: readonly (readonly [question: string, answer: string])[],
    hashes: ReadonlyMap<string, string>,
    old: StoredCredential,
  ): Promise<BackgroundHash | undefined> {
    if (first === undefined) return undefined;
    const [question, answer] = first;
    const rehashed = new Map(hashes).set(question, await this.#argon2.hash(answer, this.#options.cost));
    if (rest.length > 0) return () => this.#rehashAnswers(rest, rehashed, old);
    await this.#options.replace?.(old, this.#wrap(JSON.stringify([...rehashed]), old));
    return undefined;
  }

  #wrap(plain: string, row: CredentialRow): WrappedCredential {
    const { keyId, bytes } = this.#options.keyring.wrap(plain, credentialContext(row));
    return { keyId, wrapped: bytes };
  }

  /** @throws ServiceError CREDENTIAL_BROKEN, after a report */
  async #unwrap(credential: StoredCredential | RemovedPin): Promise<string> {
    const { keyring } = this.#options;
    try {
      return keyring.unwrap({ keyId: credential.keyId, bytes: credential.wrapped }, credentialContext(credential));
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      const reason = keyring.has(credential.keyId) ? 'altered' : 'unknown_key';
      return this.#broken(credential, reason, 'A stored credential does not belong to its row or its key');
    }
  }

  /** The hashes of the PIN in force and of those before it, newest first. One ciphertext, so no earlier PIN can be put back in force. */
  async #unwrapPins(credential: StoredCredential | RemovedPin): Promise<readonly string[]> {
    const hashes = JSON.parse(await this.#unwrap(credential)) as string[];
    for (const phc of hashes) await this.#checked(phc, credential);
    return hashes;
  }

  /** The hashes of the answers. One ciphertext, so no answer can be moved to another question. */
  async #unwrapHashes(credential: StoredCredential): Promise<ReadonlyMap<string, string>> {
    const hashes = new Map(JSON.parse(await this.#unwrap(credential)) as [question: string, phc: string][]);
    for (const phc of hashes.values()) await this.#checked(phc, credential);
    return hashes;
  }

  /** Empty if the stored PIN does not decrypt, because the subject must be able to get a new one. */
  async #lastPins(last: StoredCredential | RemovedPin | undefined): Promise<readonly string[]> {
    try {
      return last ? await this.#unwrapPins(last) : [];
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'CREDENTIAL_BROKEN') return [];
      throw error;
    }
  }

  #checked(phc: string, credential: StoredCredential | RemovedPin): string | Promise<never> {
    if (costOf(phc) !== undefined || isBcrypt(phc)) return phc;
    return this.#broken(credential, 'parameters', 'A stored credential has a hash with parameters out of bounds');
  }

  async #broken(row: StoredCredential | RemovedPin, reason: Tampering['reason'], message: string): Promise<never> {
    const { tenant, subject } = row;
    await this.#options.report?.({ what: 'credential', reason, tenant, subject });
    throw new ServiceError('CREDENTIAL_BROKEN', message, false);
  }
}
