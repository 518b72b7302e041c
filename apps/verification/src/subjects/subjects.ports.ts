import { type Actor, type CredentialFilter, type Method, type Preconditions } from '@countersign/contracts';
import { type EnrolledCredential, type NewCredential } from '../credentials/credentials.ports.js';
import { type StoredCredential } from '../credentials/credential.decision.js';
import { type ProfileChange } from './profiles/profile.decision.js';
import { type NewRecognizedCaller, type SubjectState } from './subject-state.decision.js';

/** What a verification needs of a subject. `id` is undefined for a reference without a subject. */
export interface FoundSubject {
  readonly id: string | undefined;
  /**
   * Unique for ever: a subject that is created later under the same id has another one. Undefined, too, while the subject has no
   * key: then nothing proves its incarnation, and no verification of it would hold.
   */
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
  /** The form of the stored hash, or of the dummy in its place; undefined: as hashes that are made here. */
  readonly hashForm: string | undefined;
}

export type SubjectChange = 'created' | 'updated' | 'taken' | 'not_found' | 'precondition_failed';

export type SubjectErasureResult = 'erased' | 'not_found' | 'precondition_failed';

/** What a page of a list of subjects shows. */
export interface SubjectQuery {
  /** The largest number of subjects. */
  readonly limit: number;
  /** Subjects after this id. Undefined: from the first one. */
  readonly after?: string | undefined;
  /** In E.164: only the subject with this number. */
  readonly phone?: string | undefined;
  readonly credential?: CredentialFilter | undefined;
  /** Older attempts do not count any more. */
  readonly windowSeconds: number;
}

export interface SubjectList {
  readonly items: readonly SubjectState[];
  /** The next page begins after this id. Undefined: there is no next page. */
  readonly next: string | undefined;
}

/** Subjects and their credentials. */
export abstract class SubjectStore {
  /** Does the same work for unknown subjects and for subjects without this credential, so time reveals neither. */
  abstract find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject>;
  /**
   * Creates a subject or changes its profile, in one transaction with the fact, which lists the changed fields. Writes nothing if
   * no field changes. With `mustExist` it creates no subject and returns `not_found`.
   * `taken`: one of the phone numbers belongs to another subject of the tenant, and nothing is changed.
   * `precondition_failed`: the subject, with its row locked, does not meet `preconditions`, and nothing is changed.
   * A repeated `commandId` changes nothing and adds no fact.
   */
  abstract change(
    commandId: string,
    tenant: string,
    subject: string,
    change: ProfileChange,
    mustExist?: boolean,
    actor?: Actor,
    preconditions?: Preconditions,
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
  /**
   * Removes a credential, in one transaction with the fact. The attempt counter stays, and a removed PIN with the PINs before it,
   * so a new PIN gets no new attempts and no earlier PIN may return. Verifications end as with every other change.
   * `not_found`: no such subject, or nothing is enrolled. A repeated `commandId` changes nothing.
   */
  abstract removeCredential(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
    actor?: Actor,
  ): Promise<'removed' | 'not_found'>;
  /**
   * Subjects in the order of their ids, by code point. A subject that exists while all pages are read is on exactly one of them.
   * With the filter `none`, a page examines a bounded number of subjects, so it can have fewer than `limit` although more follow.
   */
  abstract list(tenant: string, query: SubjectQuery): Promise<SubjectList>;
  /**
   * Encrypts what is stored of a caller who becomes recognized, for the outcome of the attempt. Undefined: the subject has no key
   * (any more).
   */
  abstract sealCaller(tenant: string, subject: string, caller: NewRecognizedCaller): Promise<string | undefined>;
  /** @param windowSeconds older attempts do not count any more */
  abstract state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined>;
}

/** Erases subjects. */
export abstract class SubjectErasure {
  /**
   * Removes a subject with its phone numbers, credentials and key, in one transaction with the fact. Its verifications and
   * receipts end for ever, even if the id is created again. The attempt counter stays, so an erasure gives no new attempts.
   * `precondition_failed`: the subject, with its row locked, does not meet `preconditions`, and nothing is erased.
   * The same command, delivered again, returns `erased` again and adds no fact.
   */
  abstract erase(
    commandId: string,
    tenant: string,
    subject: string,
    actor?: Actor,
    preconditions?: Preconditions,
  ): Promise<SubjectErasureResult>;
}
