import { type AttemptPolicy } from '@countersign/contracts';
import { counterKeyOf } from './attempt-counter.decision.js';
import { type AttemptToCount, type AttemptOutcome } from './attempts.ports.js';
import { type CredentialRow } from '../credentials/credential.decision.js';

/** An attempt and its limits. */
export interface AttemptWithPolicy {
  readonly attempt: AttemptToCount;
  readonly policy: AttemptPolicy;
}

/** An outcome with its facts as outbox rows and its reply in the stored form. */
export interface OutcomeToStore {
  readonly outcome: AttemptOutcome;
  readonly facts: string;
  readonly reply: string;
  /** Tag of the reply, see `ReplyTags`. */
  readonly tag: string;
  /** The stored success with its tag, as JSON. */
  readonly success?: string | undefined;
}

/** Parameters of `COUNT_ATTEMPTS`. */
export function countParameters(attempts: readonly AttemptWithPolicy[]): unknown[][] {
  const of = <T>(read: (one: AttemptToCount) => T): T[] => attempts.map(({ attempt }) => read(attempt));
  const by = (read: (policy: AttemptPolicy) => number): number[] => attempts.map(({ policy }) => read(policy));
  return [
    of(({ commandId }) => commandId),
    of(({ fingerprint }) => fingerprint),
    of(({ attemptId }) => attemptId),
    of(({ repeatSeconds }) => repeatSeconds),
    of(({ tenant }) => tenant),
    of(({ referenceKey, method }) => counterKeyOf(referenceKey, method)),
    by(({ perWindow }) => perWindow),
    by(({ windowSeconds }) => windowSeconds),
    by(({ lockSeconds }) => lockSeconds),
    by(({ maxLockSeconds }) => maxLockSeconds),
    of(({ agent }) => agent),
    of(({ subject }) => subject ?? null),
    of(({ caller }) => caller ?? null),
    of(({ cap }) => cap),
    of(({ callId }) => callId ?? null),
  ];
}

/** Parameters of `DECIDE_ATTEMPTS`. */
export function decideParameters(outcomes: readonly OutcomeToStore[]): unknown[][] {
  const of = <T>(read: (outcome: AttemptOutcome) => T): T[] => outcomes.map(({ outcome }) => read(outcome));
  return [
    of(({ attempt }) => attempt.attemptId),
    of(({ reply }) => reply.outcome),
    outcomes.map(({ reply }) => reply),
    of(({ reply }) => reply.commandId),
    outcomes.map(({ facts }) => facts),
    of(({ caller }) => caller ?? null),
    outcomes.map(({ success }) => success ?? null),
    outcomes.map(({ tag }) => tag),
    of(({ compared }) => compared && JSON.stringify(rowOf(compared))),
  ];
}

/** Identifies a credential row and its version, without the secret. */
function rowOf({ kind, tenant, subject, version, enrolledAt }: CredentialRow): Partial<CredentialRow> {
  return { kind, tenant, subject, version, enrolledAt };
}
