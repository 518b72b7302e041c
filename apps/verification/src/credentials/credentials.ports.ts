import { type Actor, type Method, type Requester } from '@countersign/contracts';
import {
  type KnowledgeAnswers,
  type CredentialRow,
  type RemovedPin,
  type StoredCredential,
  type WrappedCredential,
} from './credential.decision.js';
import { type CountedAttempt } from '../attempts/counted-attempt.decision.js';

/** What a new credential is checked against before it is enrolled. */
export interface EnrolledCredential {
  /** This command has been processed before. */
  readonly repeated: boolean;
  /** In E.164. */
  readonly phones: readonly string[];
  /** The latest version, which was enrolled or ended by a removal; 0: there never was one. */
  readonly version: number;
  /** The credential in force is disabled: its cap of consecutive failures is reached. */
  readonly disabled: boolean;
  /** Undefined: none, or its row is not the row that was enrolled last. */
  readonly inForce: StoredCredential | undefined;
  /** The PIN that was removed last, while none is enrolled. */
  readonly removed?: RemovedPin | undefined;
}

/** A credential to store. */
export interface NewCredential {
  readonly kind: Method;
  /** The latest version when it was checked, see {@link EnrolledCredential}. Any change since makes the enrolment outdated. */
  readonly replaces: number;
  /** It is the same secret as the one in force, so the attempt counter stays unchanged. */
  readonly again: boolean;
  readonly mustChange: boolean;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  /** Who enrols it. */
  readonly by: 'administrator' | 'caller';
  /** Who requested it; undefined: the caller. */
  readonly actor?: Actor | undefined;
  /** The verification of the caller who changes it. It continues; all other verifications by this credential end. */
  readonly keeps?: string | undefined;
  /** Id of the command in events, if the id in the tables differs from it. */
  readonly receivedCommandId?: string | undefined;
  /** The form of a hash of another system; absent: the hash was made here. */
  readonly hashForm?: string | undefined;
  readonly wrap: (row: CredentialRow) => WrappedCredential;
}

/** A reserved slot in the hash queue. */
export interface HashSlot {
  /**
   * Compares a submitted PIN with the stored credential, or with a dummy of equal cost if there is none or the attempt was not
   * granted.
   * @param attempt the proof that the attempt was counted before the comparison
   * @param hashForm the form of the dummy, as of the stored hash; undefined: the form of hashes that are made here
   * @throws ServiceError CREDENTIAL_BROKEN when the stored value does not belong to its row
   */
  compare(
    attempt: CountedAttempt,
    submittedPin: string,
    credential: StoredCredential | undefined,
    hashForm?: string,
  ): Promise<boolean>;
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

/** `background`: begun while no attempt waits for a hash, and never refused. For imports. */
export type HashPrecedence = 'live' | 'background';

/** Hashes PINs and answers in a bounded pool, which bounds memory and waiting time. */
export abstract class PinVault {
  /**
   * Slots are shared fairly between tenants, within a tenant between agents, within an agent between callers. Undefined if the
   * tenant has its share or all slots are taken: reply `unavailable` and count no attempt.
   */
  abstract reserve(requester: Requester): HashSlot | undefined;
  /**
   * Hashes a new PIN and returns a function that wraps it for a row, together with the history of earlier PINs.
   * @param before the replaced or removed PIN; left out of the history, with the PINs before it, if it does not decrypt
   * @param again the new PIN equals the replaced one, so it gets no second entry in the history
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract prepare(
    pin: string,
    tenant: string,
    before?: StoredCredential | RemovedPin,
    again?: boolean,
    precedence?: HashPrecedence,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /**
   * The same for the hash of a PIN that another system made. It is replaced after the first success.
   * @param hash of a form that may be imported
   */
  abstract prepareImported(
    hash: string,
    before?: StoredCredential | RemovedPin,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /** Whether this is the stored hash of the PIN in force. */
  abstract isInForce(hash: string, inForce: StoredCredential | undefined): Promise<boolean>;
  /** The same for the answers of a subject; each answer gets a hash of its own. @throws ServiceError HASH_QUEUE_FULL, retriable */
  abstract prepareAnswers(
    answers: KnowledgeAnswers,
    tenant: string,
    precedence?: HashPrecedence,
  ): Promise<(row: CredentialRow) => WrappedCredential>;
  /**
   * The position of a new PIN in the history, 0 for the one in force or removed last, at the cost of a hash each. -1 if it is not in the history,
   * and if the history does not decrypt, which must not keep the subject from getting a new PIN.
   * @throws ServiceError HASH_QUEUE_FULL, retriable
   */
  abstract positionInHistory(
    pin: string,
    last: StoredCredential | RemovedPin | undefined,
    precedence?: HashPrecedence,
  ): Promise<number>;
}
