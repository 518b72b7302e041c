import { type AttemptPolicy } from '@countersign/contracts';
import { counterKeyOf } from './attempt-counter.decision.js';
import { type AttemptToCount, type CredentialRow, type AttemptOutcome } from '../verification.ports.js';

/** A try, and the budget that it draws on. */
export interface AttemptWithPolicy {
  readonly attempt: AttemptToCount;
  readonly policy: AttemptPolicy;
}

/** A verdict, its facts as rows of the outbox, and its reply as it is stored. */
export interface OutcomeToStore {
  readonly verdict: AttemptOutcome;
  readonly facts: string;
  readonly reply: string;
  /** Of `ReplyTags`. */
  readonly tag: string;
  /** What is kept of a success, with its tag, as JSON. */
  readonly success?: string | undefined;
}

/** What `SPEND` of `attempt.sql.ts` takes. */
export function countParameters(tries: readonly AttemptWithPolicy[]): unknown[][] {
  const of = <T>(read: (one: AttemptToCount) => T): T[] => tries.map(({ attempt }) => read(attempt));
  const by = (read: (policy: AttemptPolicy) => number): number[] => tries.map(({ policy }) => read(policy));
  return [
    of(({ commandId }) => commandId),
    of(({ fingerprint }) => fingerprint),
    of(({ attemptId }) => attemptId),
    of(({ repeatSeconds }) => repeatSeconds),
    of(({ tenant }) => tenant),
    of(({ referenceKey: referenceKey, method }) => counterKeyOf(referenceKey, method)),
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

/** What `CLOSE` of `attempt.sql.ts` takes. */
export function decideParameters(closings: readonly OutcomeToStore[]): unknown[][] {
  const of = <T>(read: (verdict: AttemptOutcome) => T): T[] => closings.map(({ verdict }) => read(verdict));
  return [
    of(({ attempt }) => attempt.attemptId),
    of(({ reply }) => reply.outcome),
    closings.map(({ reply }) => reply),
    of(({ reply }) => reply.commandId),
    closings.map(({ facts }) => facts),
    of(({ caller }) => caller ?? null),
    closings.map(({ success }) => success ?? null),
    closings.map(({ tag }) => tag),
    of(({ compared }) => compared && JSON.stringify(rowOf(compared))),
  ];
}

/** Where a credential lies and since when, without what it is. */
function rowOf({ kind, tenant, subject, version, enrolledAt }: CredentialRow): Partial<CredentialRow> {
  return { kind, tenant, subject, version, enrolledAt };
}
