import {
  type AttemptPolicy,
  type FactRecorded,
  type KeyCheckValue,
  type KnowledgePolicy,
  type Method,
  type KnowledgeQuestion,
  type Requester,
  type VerificationDecided,
  type Violation,
} from '@countersign/contracts';
import { type RecordedSuccess } from './calls/call-state.decision.js';
import {
  type KnowledgeAnswers,
  type CredentialRow,
  type StoredCredential,
  type WrappedCredential,
} from './credentials/credential.decision.js';
import { type ProfileChange } from './subjects/profile.decision.js';
import { type CountedAttempt } from './attempts/counted-attempt.decision.js';
import { type SubjectState } from './subjects/subject-state.decision.js';

/** A subject as far as a verification needs it. `id` is undefined for a reference that nobody answers to. */
export interface FoundSubject {
  readonly id: string | undefined;
  /** Of this subject alone, for ever: one that is created later under the same id has another. */
  readonly incarnation: string | undefined;
  /** Keyed hash of the reference under the key of the tables; the key of the attempt counter, the same for every way to name a known subject. */
  readonly referenceKey: string;
  readonly displayName: string | undefined;
  readonly locale: string | undefined;
  /** What was asked for, still wrapped; undefined: no such subject, or nothing of this kind enrolled. */
  readonly credential: StoredCredential | undefined;
  /** The PIN was chosen by somebody else: it is to be changed. */
  readonly mustChange: boolean;
  /** Consecutive failures after which the credential is disabled; the lowest there is where there is none. */
  readonly cap: number;
}

/** What a new credential of a subject is held against before it is enrolled. */
export interface EnrolledCredential {
  /** This command was carried out before. */
  readonly repeated: boolean;
  /** In E.164. */
  readonly phones: readonly string[];
  /** Version in force; 0: none. */
  readonly version: number;
  /** What is in force is disabled: its cap of consecutive failures is reached. */
  readonly disabled: boolean;
  /** Undefined: none, or its row is not the one that was enrolled last. */
  readonly inForce: StoredCredential | undefined;
}

/** A credential that is ready to be stored. */
export interface NewCredential {
  readonly kind: Method;
  /** The version that it takes the place of; 0: none. */
  readonly replaces: number;
  /** It is the secret in force once more: the attempt counter stays as it is. */
  readonly again: boolean;
  readonly mustChange: boolean;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  /** Who had it enrolled. */
  readonly by: 'administrator' | 'caller';
  /** The verification of the caller who changes it: it stays good, while all others by this credential have ended. */
  readonly keeps?: string | undefined;
  readonly wrap: (row: CredentialRow) => WrappedCredential;
}

export type SubjectChange = 'created' | 'updated' | 'taken' | 'not_found';

/** Subjects and their credentials. */
export abstract class SubjectStore {
  /** The same work whether there is such a subject or not, and whether it has a credential of this method or not. */
  abstract find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject>;
  /**
   * Creates a subject or changes its profile, in one transaction with the fact, which names the fields that differ; where
   * none does, nothing is written. `mustExist`: no subject is created, see `not_found`.
   * `taken`: one of the numbers belongs to another subject of the tenant; then nothing is changed.
   * A repeated `commandId` changes nothing more and makes no second fact.
   */
  abstract change(
    commandId: string,
    tenant: string,
    subject: string,
    change: ProfileChange,
    mustExist?: boolean,
  ): Promise<SubjectChange>;
  /** What is enrolled of this kind; undefined: no such subject. */
  abstract enrolled(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
  ): Promise<EnrolledCredential | undefined>;
  /**
   * Stores a credential as the next version, in one transaction with the fact. Windows and locks of the attempt counter
   * stay as they are: enrolling anew does not refill a budget. It revives what was disabled, and nobody is a known caller
   * of a new credential; one that is enrolled again is not new, and forgives nothing. A repeated `commandId` changes
   * nothing more.
   * `outdated`: the version in force is not the one that it was to replace; then nothing is changed.
   */
  abstract enrol(
    commandId: string,
    tenant: string,
    subject: string,
    credential: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'>;
  /** @param windowSeconds guesses that are older count for nothing any more */
  abstract state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined>;
}

/** One try at the gate, as the ledger writes it down. */
export interface AttemptToCount {
  readonly attemptId: string;
  readonly commandId: string;
  readonly fingerprint: string;
  readonly repeatSeconds: number;
  readonly tenant: string;
  readonly agent: string;
  readonly referenceKey: string;
  /** Each credential of a reference has a counter of its own, see `guardRow`. */
  readonly method: Method;
  readonly subject: string | undefined;
  readonly callId: string | undefined;
  /** Keyed hash of who calls; undefined when nothing tells the caller from others. */
  readonly caller: string | undefined;
  /** Consecutive failures after which the credential is disabled. */
  readonly cap: number;
}

export type CountResult =
  | { readonly kind: 'spent'; readonly attempt: CountedAttempt }
  /** The command was seen before and never answered: it was cut off between its try and its verdict. */
  | { readonly kind: 'unanswered'; readonly attempt: CountedAttempt }
  /** What it was answered; `unavailable` where what is stored is not what this service wrote. */
  | { readonly kind: 'answered'; readonly reply: VerificationDecided }
  | { readonly kind: 'mismatch' };

export interface AttemptOutcome {
  readonly tenant: string;
  /** That of the command, as it was spent with. */
  readonly fingerprint: string;
  /** The counter that the attempt was spent on. */
  readonly referenceKey: string;
  readonly attempt: CountedAttempt;
  /** Is a known caller of this subject from a success on; undefined as in {@link AttemptToCount}. */
  readonly caller: string | undefined;
  /** Without name and language of the subject: it is kept, and must not have to be looked through to erase somebody. */
  readonly reply: VerificationDecided;
  readonly facts: readonly FactRecorded[];
  /** Of a success: what the guess was compared with. */
  readonly compared?: CredentialRow | undefined;
  /** Of a success: what the ledger keeps of it. */
  readonly success?: RecordedSuccess | undefined;
}

/** A try that was cut off before its verdict. */
export interface UndecidedAttempt {
  readonly attempt: CountedAttempt;
  readonly fingerprint: string;
  readonly referenceKey: string;
  readonly subject: string | undefined;
}

/**
 * The attempt gate and the ledger. It is the only way to a comparison.
 * Implementations MUST decide by one atomic statement on the row, under any number of copies of the service.
 */
export abstract class AttemptGate {
  /**
   * Counts a try and is durable when it returns; only then may anybody look at the guess. Repeated within
   * `repeatSeconds`, the same command spends nothing.
   * @throws ServiceError DATABASE_UNAVAILABLE; then nothing was spent, or it was and the command will find it so
   */
  abstract count(attempt: AttemptToCount, policy: AttemptPolicy): Promise<CountResult>;
  /**
   * Writes verdict, stored reply and facts in one transaction. The first verdict of an attempt stands: later ones
   * change nothing and get the first one's reply.
   * `outdated`: what the guess was compared with is not in force any more. Nothing is written: the try needs another verdict.
   */
  abstract decide(verdict: AttemptOutcome): Promise<VerificationDecided | 'outdated'>;
  /** The try of a tenant's command that has no verdict; undefined: none was ever counted. For commands whose asker is gone. */
  abstract undecided(commandId: string, tenant: string): Promise<UndecidedAttempt | 'answered' | undefined>;
  /**
   * Opens a reference for everybody and writes the fact, in one transaction. It forgives no failure: what is disabled
   * stays so. A repeated `commandId` changes nothing more and makes no second fact.
   */
  abstract unlock(
    commandId: string,
    tenant: string,
    referenceKey: string,
    factAt: (time: string) => FactRecorded,
  ): Promise<void>;
}

/** A place in the queue for one hash. */
export interface HashSlot {
  /**
   * Compares a guess with a stored credential, or with a dummy of equal cost when there is none, or when the try was not
   * granted.
   * @param attempt the proof that the try was counted before anybody looks at the guess
   * @throws ServiceError CREDENTIAL_BROKEN when the stored value does not belong to its row
   */
  compare(attempt: CountedAttempt, guess: string, credential: StoredCredential | undefined): Promise<boolean>;
  /**
   * Compares every answer, each by a hash of its own whatever the others gave and whatever is enrolled. True when all are
   * right and there is at least one; which one was not, nobody learns.
   * @throws ServiceError CREDENTIAL_BROKEN
   */
  compareAnswers(
    attempt: CountedAttempt,
    guess: KnowledgeAnswers,
    credential: StoredCredential | undefined,
  ): Promise<boolean>;
  /** Gives the place back unused; does nothing after `compare`. */
  release(): void;
}

/** Hashes PINs and answers in a bounded pool, so that memory and waiting stay bounded too. */
export abstract class PinVault {
  /**
   * Tenants take turns, within a tenant its agents, and within an agent its callers. Undefined when the tenant has its share
   * of the hash slots, or all are taken: answer `unavailable` and count no attempt.
   */
  abstract reserve(requester: Requester): HashSlot | undefined;
  /**
   * Hashes a new PIN and returns what wraps it for a row, together with the PINs that may not return.
   * @param before the PIN that it replaces; one that does not open is left out, with the PINs before it
   * @param again it is that same PIN, which then takes no second place among them
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract prepare(
    pin: string,
    tenant: string,
    before?: StoredCredential,
    again?: boolean,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /** The same for the answers of a subject, each hashed by itself. @throws ServiceError HASH_QUEUE_FULL, retriable */
  abstract prepareAnswers(
    answers: KnowledgeAnswers,
    tenant: string,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /**
   * The place of a new PIN among the last ones, 0 for the one in force, each at the cost of a hash; -1 when it is none of
   * them, and when they do not open: that must not keep the owner from getting a new PIN.
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract positionInHistory(pin: string, inForce: StoredCredential | undefined): Promise<number>;
}

/** Opens what the adapters sealed. */
export abstract class SealedPayloads {
  /** @param binding what `bindingOf` of contracts gives for its message. @throws ServiceError SEAL_BROKEN, not retriable */
  abstract open(sealed: string, binding: string): Promise<Record<string, unknown>>;
}

/** The budget of guesses that an agent's policy gives. */
export abstract class AttemptPolicies {
  /** Undefined: no such agent in this tenant (any more). */
  abstract of(tenant: string, agent: string): AttemptPolicy | undefined;
  /** The longest window of a tenant and its agents, in seconds; 0: no such tenant (any more). */
  abstract longestWindow(tenant: string): number;
  /** Whether this agent's callers may be told that nobody has an id or a number. */
  abstract discloseUnknown(tenant: string, agent: string): boolean;
}

/** What the policies say of knowledge. */
export abstract class KnowledgePolicies {
  /** That of an agent; undefined: no such agent in this tenant (any more). */
  abstract of(tenant: string, agent: string): KnowledgePolicy | undefined;
  /** The questions of a tenant and of its agents, by name: those that its subjects may answer. */
  abstract questions(tenant: string): ReadonlyMap<string, KnowledgeQuestion>;
  /** What is asked together: the questions of the tenant's policy, and those of each of its agents. */
  abstract questionSets(tenant: string): readonly (readonly KnowledgeQuestion[])[];
}

/** Check values of keys that only adapters hold. */
export abstract class KeyRecords {
  /** See `recordForeignKey`: whether the recorded key is among these, or there was none. @throws ServiceError retriable */
  abstract recordForeign(setting: string, keys: readonly KeyCheckValue[]): Promise<boolean>;
  /** The keys of a setting of this service that every process must hold. @throws ServiceError retriable */
  abstract required(setting: string): Promise<readonly KeyCheckValue[]>;
}

/** Forgets subjects. */
export abstract class SubjectErasure {
  /**
   * Removes a subject with its numbers, credentials and key, in one transaction with the fact. Its verifications and their
   * receipts are over for ever, also where the id is created again. The attempt counter stays: nobody refills a budget by
   * erasing. False: there is no such subject. The same command, delivered
   * again, is true again and makes no second fact.
   */
  abstract erase(commandId: string, tenant: string, subject: string): Promise<boolean>;
}

export type { KnowledgeAnswers, CredentialRow, CountedAttempt, StoredCredential, Violation, WrappedCredential };
