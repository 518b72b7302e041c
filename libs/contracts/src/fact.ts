import { IsIn, IsInt, IsISO8601, IsObject, IsOptional, IsString, IsUUID, Length, Matches, Min } from 'class-validator';
import { Message } from './message.js';
import { IsName } from './names.js';
import { TOPICS } from './topics.js';
import {
  ATTESTATION_PATTERN,
  LEVELS,
  METHODS,
  OUTCOMES,
  type Level,
  type Method,
  type Outcome,
} from './verification.js';

export const FACT_KINDS = [
  'attempt.decided',
  'credential.locked',
  'credential.enrolled',
  'credential.changed',
  'subject.changed',
  'limit.refused',
  'limit.would_refuse',
  'limit.near',
  'limit.overridden',
  'limit.reset',
  'limit.tightened',
  'signal.spray',
  'signal.pin_spray',
  'signal.distributed',
  'tenant.changed',
  'agent.created',
  'agent.rotated',
  'policy.changed',
  'message.dead_lettered',
  'credential.disabled',
  'credential.unlocked',
  'credential.broken',
  'credential.restored',
  'key.rotated',
  'receipt.issued',
  'receipt.consumed',
  'subject.erased',
  'transfer.requested',
  'transfer.refused',
  'access.refused',
] as const;
export type FactKind = (typeof FACT_KINDS)[number];

/** Stands for the tenant in facts about the installation itself: no tenant can have a name that begins so. */
export const INSTALLATION = '_installation';

/**
 * Something that happened and must be on record. Written to the outbox in the transaction that made it true, taken by
 * the audit service. Holds no secret and no telephone number: subjects by id, callers by keyed hash and last digits.
 */
export class FactRecorded extends Message {
  static readonly type = 'fact.recorded.v1';
  static readonly topic = TOPICS.facts.name;

  /** Id of the event everywhere: outbox, log, public topic. Consumers are idempotent by it. */
  @IsUUID() factId!: string;
  @IsIn(FACT_KINDS) kind!: FactKind;
  /** Database time of the transaction, ISO 8601 UTC. */
  @IsISO8601() time!: string;
  /** The tenant, or {@link INSTALLATION}. */
  @Matches(/^(_installation|[a-z0-9][a-z0-9_-]{0,62})$/) tenant!: string;
  @IsOptional() @IsName() agent?: string;
  /** The subject's id, when the subject exists. */
  @IsOptional() @IsString() @Length(1, 128) subject?: string;
  /** Keyed hash of the subject reference: the same for every guess at one reference, known or unknown. */
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) subjectKey?: string;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) callerKey?: string;
  @IsOptional() @Matches(/^\d{0,2}$/) callerTail?: string;
  /** What the network said about the caller's number, where it said anything. */
  @IsOptional() @Matches(ATTESTATION_PATTERN) attestation?: string;
  @IsOptional() @IsUUID() verificationId?: string;
  @IsOptional() @IsString() @Length(8, 128) commandId?: string;
  @IsOptional() @IsIn(METHODS) method?: Method;
  @IsOptional() @IsIn(['swaig', 'rest']) channel?: 'swaig' | 'rest';
  @IsOptional() @IsIn(OUTCOMES) outcome?: Outcome;
  @IsOptional() @IsIn(LEVELS) level?: Level;
  /** Gapless number of the attempt at this subject reference, from 1. */
  @IsOptional() @IsInt() @Min(1) attempt?: number;
  /** Further facts by name; flat, and never input of a caller. */
  @IsOptional() @IsObject() detail?: Record<string, string | number | boolean>;

  get partitionKey(): string {
    return `${this.tenant}:${this.subjectKey ?? this.subject ?? this.agent ?? ''}`;
  }
}
