import { type KnowledgePolicy, type Level, type Method } from '@countersign/contracts';
import { knowledgeLevel } from '../knowledge/knowledge-level.decision.js';

/** The verified caller of a call. Times in ISO 8601, on the clock of the database. */
export interface CallState {
  /** The agent that verified the caller. */
  readonly agent: string;
  readonly level: Exclude<Level, 'none'>;
  readonly subject: string;
  readonly verificationId: string;
  readonly verifiedAt: string;
  /** At this time, the call ceases to be verified. */
  readonly expiresAt: string;
}

/** A success as the ledger stores it. */
export interface RecordedSuccess extends CallState {
  /** Distinguishes the agent from one that was created later under the same id. Undefined: recorded before it was stored. */
  readonly agentCreatedAt: string | undefined;
  /** Undefined: the request named no call. */
  readonly callId: string | undefined;
  readonly method: Method;
  /** Distinguishes a subject from one that was created later under the same id. */
  readonly incarnation: string;
  /** Version of the credential that was compared. */
  readonly credentialVersion: number;
}

/** An unexpired success of an existing subject, with the changes since then. */
export interface VerificationRecord extends RecordedSuccess {
  /** The credential that was compared is still the one in force. */
  readonly credentialInForce: boolean;
  /** Its own agent, or the agent that reads it, decided a later attempt of the same call at another subject. */
  readonly endedByAttempt: boolean;
  /** Milliseconds since 1970, on the database's clock. */
  readonly readAt: number;
}

/** The part of an agent's policy that is about verified calls. */
export interface CallPolicy {
  /** When the agent was created, ISO 8601. Undefined: an older directory published the agent. */
  readonly agentCreatedAt: string | undefined;
  readonly verifiedSeconds: number;
  readonly endVerificationOnChange: boolean;
  readonly trustsCallsOf: readonly string[];
  readonly waiver: KnowledgePolicy['waiver'];
}

/** An agent that reads the state of a call. */
export interface Reader {
  readonly agent: string;
  readonly policy: CallPolicy;
}

/**
 * The state that a success gives a call, for the agent that reads it; undefined: none. Another agent's success counts only if
 * the reader trusts that agent, and then for no longer and at no higher level than the policies of both agents allow.
 * @param ownerPolicy of the agent that verified; undefined: the agent was deleted, and the strictest rules apply
 */
export function stateFor(
  reader: Reader,
  record: VerificationRecord,
  ownerPolicy: CallPolicy | undefined,
): CallState | undefined {
  const { agent, subject, verificationId, verifiedAt } = record;
  const isOwn = agent === reader.agent;
  if (record.endedByAttempt || !(isOwn || reader.policy.trustsCallsOf.includes(agent))) return undefined;
  if (ownerPolicy !== undefined && ownerPolicy.agentCreatedAt !== record.agentCreatedAt) return undefined;
  const endsOnChange = reader.policy.endVerificationOnChange || ownerPolicy?.endVerificationOnChange !== false;
  if (endsOnChange && !record.credentialInForce) return undefined;
  const ownEnd = Date.parse(record.expiresAt);
  const end = isOwn ? ownEnd : Math.min(ownEnd, Date.parse(verifiedAt) + reader.policy.verifiedSeconds * 1000);
  if (end <= record.readAt) return undefined;
  const level = isOwn ? record.level : lower(record.level, levelBy(reader.policy, record));
  return { agent, level, subject, verificationId, verifiedAt, expiresAt: new Date(end).toISOString() };
}

/**
 * Whether a repeated command may get its stored success. That reply confirms the submitted secret, so the credential must be
 * in force even if `endVerificationOnChange` is false.
 */
export function canRepeatSuccess(reader: Reader, record: VerificationRecord): boolean {
  return record.credentialInForce && stateFor(reader, record, reader.policy) !== undefined;
}

/**
 * Chooses the state of a call: a success of the reader before that of a trusted agent, then the higher level, then the latest
 * success. The level comes before the time, so a later knowledge success does not lower a verified caller.
 */
export function currentState(states: readonly CallState[], reader: Pick<Reader, 'agent'>): CallState | undefined {
  const rank = ({ agent, level, verifiedAt }: CallState): readonly number[] => [
    Number(agent === reader.agent),
    Number(level === 'verified'),
    Date.parse(verifiedAt),
  ];
  return [...states].sort((a, b) => compare(rank(b), rank(a)))[0];
}

function levelBy({ waiver }: CallPolicy, { method, verifiedAt }: VerificationRecord): CallState['level'] {
  if (method === 'pin') return 'verified';
  return knowledgeLevel({ ...(waiver ? { waiver } : {}) }, Date.parse(verifiedAt)) === 'verified'
    ? 'verified'
    : 'identified';
}

function lower(a: CallState['level'], b: CallState['level']): CallState['level'] {
  return a === 'identified' ? a : b;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, one] of a.entries()) if (one !== b[at]) return one - (b[at] ?? 0);
  return 0;
}
