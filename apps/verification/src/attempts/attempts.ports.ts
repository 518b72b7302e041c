import {
  type AttemptPolicy,
  type FactRecorded,
  type Method,
  type LimitTightenRequested,
  type VerificationDecided,
} from '@countersign/contracts';
import { type CredentialRow } from '../credentials/credential.decision.js';
import { type CountedAttempt } from './counted-attempt.decision.js';
import { type RecordedSuccess } from '../calls/call-state.decision.js';

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
  | { readonly kind: 'counted'; readonly attempt: CountedAttempt }
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
  /** Of a success that makes the caller recognized: what is stored for operators, see `SubjectStore.sealCaller`. */
  readonly sealedCaller?: string | undefined;
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

/** The attempt limits of policies. */
export abstract class AttemptPolicies {
  abstract hasTenant(tenant: string): boolean;
  /** Undefined: the tenant has no such agent (any more). */
  abstract of(tenant: string, agent: string): AttemptPolicy | undefined;
  /** The longest window of a tenant and its agents, in seconds; 0: there is no such tenant (any more). */
  abstract longestWindow(tenant: string): number;
  /** Whether the agent may say that an id or a phone number is unknown. */
  abstract discloseUnknown(tenant: string, agent: string): boolean;
}

/** Decrypts the payloads that adapters sealed. */
export abstract class SealedPayloads {
  /** @param binding the result of `bindingOf` for the message. @throws ServiceError SEAL_BROKEN, not retriable */
  abstract open(sealed: string, binding: string): Promise<Record<string, unknown>>;
}
