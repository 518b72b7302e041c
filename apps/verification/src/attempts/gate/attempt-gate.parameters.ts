import { type AttemptPolicy, type EncodedMessage } from '@countersign/contracts';
import { counterKeyOf } from './attempt-counter.decision.js';
import { type AttemptOutcome, type AttemptToCount } from '../attempts.ports.js';

/** An attempt and its limits. */
export interface AttemptWithPolicy {
  readonly attempt: AttemptToCount;
  readonly policy: AttemptPolicy;
}

/** An outcome with its messages as outbox rows. */
export interface OutcomeToStore {
  readonly outcome: AttemptOutcome;
  readonly messages: readonly EncodedMessage[];
  /** See `unstatedPart`. */
  readonly reply: string | null;
  /** Tag of the whole reply, see `ReplyTags`. */
  readonly replyTag: string;
  /** Tag of the success, see `successTag`. */
  readonly successTag?: string | undefined;
}

/**
 * The rows as JSON, and their number for LIMIT. PostgreSQL expects 100 rows of any JSON; with the limit it plans for the few
 * that there are, reads them by index, and does not scan whole tables for them (8.0 instead of 5.4 ms for each decision).
 */
const asJson = (rows: readonly object[]): [string, number] => [JSON.stringify(rows), rows.length];

/** Parameters of `COUNT_ATTEMPTS`. */
export function countParameters(attempts: readonly AttemptWithPolicy[]): [string, number] {
  const rows = attempts.map(({ attempt, policy }) => ({
    command_id: attempt.commandId,
    fingerprint: attempt.fingerprint,
    attempt_id: attempt.attemptId,
    repeat_seconds: attempt.repeatSeconds,
    tenant: attempt.tenant,
    agent: attempt.agent,
    call_id: attempt.callId === undefined ? undefined : wellFormed(attempt.callId),
    counter_key: counterKeyOf(attempt.referenceKey, attempt.method),
    subject_id: attempt.subject,
    caller: attempt.caller,
    cap: attempt.cap,
    per_window: policy.perWindow,
    window_seconds: policy.windowSeconds,
    lock_seconds: policy.lockSeconds,
    max_lock_seconds: policy.maxLockSeconds,
  }));
  return asJson(rows);
}

/** Parameters of `DECIDE_ATTEMPTS`. */
export function decideParameters(outcomes: readonly OutcomeToStore[]): [string, number] {
  const rows = outcomes.map(({ outcome, messages, reply, replyTag, successTag }) => ({
    attempt_id: outcome.attempt.attemptId,
    caller: outcome.caller,
    sealed_caller: outcome.sealedCaller,
    outcome: outcome.reply.outcome,
    reply,
    reply_tag: replyTag,
    messages,
    success: outcome.success && {
      agent_created_at: outcome.success.agentCreatedAt,
      method: outcome.success.method,
      level: outcome.success.level,
      incarnation: outcome.success.incarnation,
      credential_version: outcome.success.credentialVersion,
      expires_at: outcome.success.expiresAt,
      success_tag: successTag,
    },
    compared: outcome.compared && {
      tenant: outcome.compared.tenant,
      subject_id: outcome.compared.subject,
      kind: outcome.compared.kind,
      version: outcome.compared.version,
      enrolled_us: outcome.compared.enrolledAt,
    },
  }));
  return asJson(rows);
}

/** JSON of PostgreSQL has no lone surrogates, which a call id may contain. A text parameter replaces them too. */
const wellFormed = (text: string): string => Buffer.from(text).toString();
