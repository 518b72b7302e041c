import { type KnowledgePolicy, type Level, type Method } from '@countersign/contracts';
import { knowledgeLevel } from '../knowledge/knowledge-level.decision.js';

/** Who is known to be on a call. Times as ISO 8601, on the database's clock. */
export interface CallState {
  /** The agent that verified the caller. */
  readonly agent: string;
  readonly level: Exclude<Level, 'none'>;
  readonly subject: string;
  readonly verificationId: string;
  readonly verifiedAt: string;
  /** From then on the call counts as not verified. */
  readonly expiresAt: string;
}

/** A success as the ledger keeps it. */
export interface RecordedSuccess extends CallState {
  /** Undefined: the request named no call. */
  readonly callId: string | undefined;
  readonly method: Method;
  /** Tells a subject from one that was created later under the same id. */
  readonly incarnation: string;
  /** Version of the credential that was compared. */
  readonly credentialVersion: number;
}

/** A success with what has happened since. Its time is not over, and its subject exists and is the one of then. */
export interface VerificationRecord extends RecordedSuccess {
  /** The credential that was compared is still the one in force. */
  readonly credentialInForce: boolean;
  /** Its own agent, or the agent that reads it, decided a later attempt of the same call at another subject. */
  readonly endedByAttempt: boolean;
  /** Milliseconds since 1970, on the database's clock. */
  readonly readAt: number;
}

/** What an agent's policy says of verified calls. */
export interface CallPolicy {
  readonly verifiedSeconds: number;
  readonly endVerificationOnChange: boolean;
  readonly trustsCallsOf: readonly string[];
  readonly waiver: KnowledgePolicy['waiver'];
}

/** An agent that reads what is known of a call. */
export interface Reader {
  readonly agent: string;
  readonly policy: CallPolicy;
}

/**
 * What a success still means to an agent; undefined: nothing. Another agent's success counts only where the reader trusts
 * that agent, and then for no longer and at no higher level than the reader's own policy and the other agent's give.
 * @param ownerPolicy of the agent that verified; undefined: there is no such agent (any more), and the strictest holds
 */
export function stateFor(
  reader: Reader,
  record: VerificationRecord,
  ownerPolicy: CallPolicy | undefined,
): CallState | undefined {
  const { agent, subject, verificationId, verifiedAt } = record;
  const isOwn = agent === reader.agent;
  if (record.endedByAttempt || !(isOwn || reader.policy.trustsCallsOf.includes(agent))) return undefined;
  const endsOnChange = reader.policy.endVerificationOnChange || ownerPolicy?.endVerificationOnChange !== false;
  if (endsOnChange && !record.credentialInForce) return undefined;
  const ownEnd = Date.parse(record.expiresAt);
  const end = isOwn ? ownEnd : Math.min(ownEnd, Date.parse(verifiedAt) + reader.policy.verifiedSeconds * 1000);
  if (end <= record.readAt) return undefined;
  const level = isOwn ? record.level : lower(record.level, levelBy(reader.policy, record));
  return { agent, level, subject, verificationId, verifiedAt, expiresAt: new Date(end).toISOString() };
}

/**
 * Whether the stored answer to a request may be a success again. It says that the submitted secret is right, so the
 * credential must be in force whatever `endVerificationOnChange` says.
 */
export function canRepeatSuccess(reader: Reader, record: VerificationRecord): boolean {
  return record.credentialInForce && stateFor(reader, record, reader.policy) !== undefined;
}

/**
 * The state of a call among all that its agents recorded: the reader's own success before that of a trusted agent, a
 * higher level before a lower one, so that an identified caller who was verified stays verified, then the latest.
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
