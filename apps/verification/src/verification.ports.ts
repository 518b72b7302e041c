import {
  type AttemptPolicy,
  type FactRecorded,
  type KeyCheckValue,
  type KnowledgePolicy,
  type Method,
  type KnowledgeQuestion,
  type LimitTightenRequested,
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

/** What a verification needs of a subject. `id` is undefined for a reference without a subject. */
export interface FoundSubject {
  readonly id: string | undefined;
  /** Unique for ever: a subject that is created later under the same id has another one. */
  readonly incarnation: string | undefined;
  /**
   * Keyed hash of the reference under the names key, and key of the attempt counter. It is the same however a known subject is
   * named.
   */
  readonly referenceKey: string;
  readonly displayName: string | undefined;
  readonly locale: string | undefined;
  /** The credential of the requested method, still wrapped; undefined: no such subject, or none enrolled. */
  readonly credential: StoredCredential | undefined;
  /** An administrator chose the PIN, so the caller must change it. */
  readonly mustChange: boolean;
  /** Consecutive failures that disable the credential; the lowest cap if none is enrolled. */
  readonly cap: number;
}

/** What a new credential is checked against before it is enrolled. */
export interface EnrolledCredential {
  /** This command has been processed before. */
  readonly repeated: boolean;
  /** In E.164. */
  readonly phones: readonly string[];
  /** Version in force; 0: none. */
  readonly version: number;
  /** The credential in force is disabled: its cap of consecutive failures is reached. */
  readonly disabled: boolean;
  /** Undefined: none, or its row is not the row that was enrolled last. */
  readonly inForce: StoredCredential | undefined;
}

/** A credential to store. */
export interface NewCredential {
  readonly kind: Method;
  /** The version that it replaces; 0: none. */
  readonly replaces: number;
  /** It is the same secret as the one in force, so the attempt counter stays unchanged. */
  readonly again: boolean;
  readonly mustChange: boolean;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  /** Who enrols it. */
  readonly by: 'administrator' | 'caller';
  /** The verification of the caller who changes it. It continues; all other verifications by this credential end. */
  readonly keeps?: string | undefined;
  readonly wrap: (row: CredentialRow) => WrappedCredential;
}

export type SubjectChange = 'created' | 'updated' | 'taken' | 'not_found';

/** Subjects and their credentials. */
export abstract class SubjectStore {
  /** Does the same work for unknown subjects and for subjects without this credential, so time reveals neither. */
  abstract find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject>;
  /**
   * Creates a subject or changes its profile, in one transaction with the fact, which lists the changed fields. Writes nothing if
   * no field changes. With `mustExist` it creates no subject and returns `not_found`.
   * `taken`: one of the phone numbers belongs to another subject of the tenant, and nothing is changed.
   * A repeated `commandId` changes nothing and adds no fact.
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
   * Stores a credential as the next version, in one transaction with the fact. The windows and locks of the attempt counter
   * stay, so a new credential gives no new attempts. A new secret ends `disabled` and has no recognized callers. The same
   * secret again changes neither. A repeated `commandId` changes nothing.
   * `outdated`: the version in force is not the one to replace, and nothing is changed.
   */
  abstract enrol(
    commandId: string,
    tenant: string,
    subject: string,
    credential: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'>;
  /** @param windowSeconds older attempts do not count any more */
  abstract state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined>;
}

/** One attempt to count. */
export interface AttemptToCount {
  readonly attemptId: string;
  readonly commandId: string;
  readonly fingerprint: string;
  readonly repeatSeconds: number;
  readonly tenant: string;
  readonly agent: string;
  readonly referenceKey: string;
  /** Each credential of a reference has a counter of its own, see `counterKeyOf`. */
  readonly method: Method;
  readonly subject: string | undefined;
  readonly callId: string | undefined;
  /** Keyed hash of the caller; undefined if the caller cannot be distinguished from others. */
  readonly caller: string | undefined;
  /** Consecutive failures after which the credential is disabled. */
  readonly cap: number;
}

export type CountResult =
  | { readonly kind: 'spent'; readonly attempt: CountedAttempt }
  /** A repeated command whose attempt has no outcome: the process stopped between counting and deciding. */
  | { readonly kind: 'unanswered'; readonly attempt: CountedAttempt }
  /** The stored reply; `unavailable` if this service did not write it. */
  | { readonly kind: 'answered'; readonly reply: VerificationDecided }
  | { readonly kind: 'mismatch' };

export interface AttemptOutcome {
  readonly tenant: string;
  /** The fingerprint with which the attempt was counted. */
  readonly fingerprint: string;
  /** The reference whose counter the attempt used. */
  readonly referenceKey: string;
  readonly attempt: CountedAttempt;
  /** Becomes a recognized caller by a success; undefined as in {@link AttemptToCount}. */
  readonly caller: string | undefined;
  /** Without name and locale of the subject: it is stored, and an erasure must not have to search stored replies. */
  readonly reply: VerificationDecided;
  readonly facts: readonly FactRecorded[];
  /** Sent after the commit, like the facts. */
  readonly tighten?: LimitTightenRequested | undefined;
  /** Of a success: the credential that was compared. */
  readonly compared?: CredentialRow | undefined;
  /** Of a success: what the ledger stores of it. */
  readonly success?: RecordedSuccess | undefined;
}

/** A counted attempt without an outcome. */
export interface UndecidedAttempt {
  readonly attempt: CountedAttempt;
  readonly fingerprint: string;
  readonly referenceKey: string;
  readonly subject: string | undefined;
}

/**
 * The attempt gate and the ledger. A comparison is possible only after it.
 * Implementations MUST decide by one atomic statement on the row, with any number of replicas.
 */
export abstract class AttemptGate {
  /**
   * Counts an attempt, which is durable when this returns. Only then may the submitted secret be compared. The same command,
   * repeated within `repeatSeconds`, counts nothing.
   * @throws ServiceError DATABASE_UNAVAILABLE; the attempt may or may not be counted, and the repeated command finds out
   */
  abstract count(attempt: AttemptToCount, policy: AttemptPolicy): Promise<CountResult>;
  /**
   * Writes outcome, stored reply and messages in one transaction, and returns the reply. The first outcome of an attempt is
   * final: later ones change nothing and return the first reply.
   * `outdated`: the compared credential is not in force any more. Nothing is written, and the attempt needs another outcome.
   */
  abstract decide(outcome: AttemptOutcome): Promise<VerificationDecided | 'outdated'>;
  /** The undecided attempt of a command; undefined: none was counted. For commands whose deadline has passed. */
  abstract undecided(commandId: string, tenant: string): Promise<UndecidedAttempt | 'answered' | undefined>;
  /**
   * Clears the locks of a reference and writes the fact, in one transaction. The failure count stays, and so does a disabled
   * credential. A repeated `commandId` changes nothing and adds no fact.
   */
  abstract unlock(
    commandId: string,
    tenant: string,
    referenceKey: string,
    factAt: (time: Date) => FactRecorded,
  ): Promise<void>;
}

/** A reserved slot in the hash queue. */
export interface HashSlot {
  /**
   * Compares a submitted PIN with the stored credential, or with a dummy of equal cost if there is none or the attempt was not
   * granted.
   * @param attempt the proof that the attempt was counted before the comparison
   * @throws ServiceError CREDENTIAL_BROKEN when the stored value does not belong to its row
   */
  compare(attempt: CountedAttempt, submittedPin: string, credential: StoredCredential | undefined): Promise<boolean>;
  /**
   * Compares every answer by a hash of its own, whatever the other results and whatever is enrolled. True if there is at least
   * one answer and all match. Never reveals which answer did not match.
   * @throws ServiceError CREDENTIAL_BROKEN
   */
  compareAnswers(
    attempt: CountedAttempt,
    submittedAnswers: KnowledgeAnswers,
    credential: StoredCredential | undefined,
  ): Promise<boolean>;
  /** Returns the slot unused; has no effect after `compare`. */
  release(): void;
}

/** Hashes PINs and answers in a bounded pool, which bounds memory and waiting time. */
export abstract class PinVault {
  /**
   * Slots are shared fairly between tenants, within a tenant between agents, within an agent between callers. Undefined if the
   * tenant has its share or all slots are taken: reply `unavailable` and count no attempt.
   */
  abstract reserve(requester: Requester): HashSlot | undefined;
  /**
   * Hashes a new PIN and returns a function that wraps it for a row, together with the history of earlier PINs.
   * @param before the replaced PIN; left out of the history, with the PINs before it, if it does not decrypt
   * @param again the new PIN equals the replaced one, so it gets no second entry in the history
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract prepare(
    pin: string,
    tenant: string,
    before?: StoredCredential,
    again?: boolean,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /** The same for the answers of a subject; each answer gets a hash of its own. @throws ServiceError HASH_QUEUE_FULL, retriable */
  abstract prepareAnswers(
    answers: KnowledgeAnswers,
    tenant: string,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /**
   * The position of a new PIN in the history, 0 for the one in force, at the cost of a hash each. -1 if it is not in the history,
   * and if the history does not decrypt, which must not keep the subject from getting a new PIN.
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract positionInHistory(pin: string, inForce: StoredCredential | undefined): Promise<number>;
}

/** Decrypts the payloads that adapters sealed. */
export abstract class SealedPayloads {
  /** @param binding the result of `bindingOf` for the message. @throws ServiceError SEAL_BROKEN, not retriable */
  abstract open(sealed: string, binding: string): Promise<Record<string, unknown>>;
}

/** The attempt limits of policies. */
export abstract class AttemptPolicies {
  /** Undefined: the tenant has no such agent (any more). */
  abstract of(tenant: string, agent: string): AttemptPolicy | undefined;
  /** The longest window of a tenant and its agents, in seconds; 0: there is no such tenant (any more). */
  abstract longestWindow(tenant: string): number;
  /** Whether the agent may say that an id or a phone number is unknown. */
  abstract discloseUnknown(tenant: string, agent: string): boolean;
}

/** The knowledge questions of policies. */
export abstract class KnowledgePolicies {
  /** The knowledge policy of an agent; undefined: the tenant has no such agent (any more). */
  abstract of(tenant: string, agent: string): KnowledgePolicy | undefined;
  /** The questions of a tenant and its agents by name: the questions for which answers can be enrolled. */
  abstract questions(tenant: string): ReadonlyMap<string, KnowledgeQuestion>;
  /** Sets of questions that are asked together: those of the tenant's policy, and those of each of its agents. */
  abstract questionSets(tenant: string): readonly (readonly KnowledgeQuestion[])[];
}

/** Check values of keys, those that only adapters have included. */
export abstract class KeyRecords {
  /** Whether the recorded key is one of these, or none was recorded; see `recordForeignKey`. @throws ServiceError retriable */
  abstract recordForeign(setting: string, keys: readonly KeyCheckValue[]): Promise<boolean>;
  /** The keys of a setting that every process must have. @throws ServiceError retriable */
  abstract required(setting: string): Promise<readonly KeyCheckValue[]>;
}

/** Erases subjects. */
export abstract class SubjectErasure {
  /**
   * Removes a subject with its phone numbers, credentials and key, in one transaction with the fact. Its verifications and
   * receipts end for ever, even if the id is created again. The attempt counter stays, so an erasure gives no new attempts.
   * False: there is no such subject. The same command, delivered again, returns true again and adds no fact.
   */
  abstract erase(commandId: string, tenant: string, subject: string): Promise<boolean>;
}

export type { KnowledgeAnswers, CredentialRow, CountedAttempt, StoredCredential, Violation, WrappedCredential };
