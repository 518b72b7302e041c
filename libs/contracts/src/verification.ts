import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { Message } from './message.js';
import { IsName, IsSubjectId } from './names.js';
import { LIMIT_DIMENSIONS, type LimitDimension } from './policy.js';
import { REPLY, TOPICS } from './topics.js';

export const OUTCOMES = ['verified', 'rejected', 'locked', 'rate_limited', 'disabled', 'unavailable'] as const;
/** Outcome of a verification. `locked` includes the attempt that used up the window. */
export type Outcome = (typeof OUTCOMES)[number];

export const LEVELS = ['none', 'identified', 'verified'] as const;
/** What is known of the caller, in rising order. Not a NIST AAL. */
export type Level = (typeof LEVELS)[number];

export const METHODS = ['pin', 'knowledge'] as const;
/** What an attempt is compared with: the PIN of the subject, or its answers to the questions of the policy. */
export type Method = (typeof METHODS)[number];

export const CONFLICTS = ['mismatch', 'ended', 'in_flight'] as const;
/** Why a repeated command does not get the stored answer again. */
export type Conflict = (typeof CONFLICTS)[number];

/** A rule that the input broke: the field, and the rule in words. Never the value. */
export interface Violation {
  readonly field: string;
  readonly rule: string;
}

/**
 * What the network that brought a call says about its number, in the words of the tel URI parameter `verstat` (3GPP TS
 * 24.229, ATIS-1000074): passed or failed, the level of attestation where it is known, and whether the call was diverted.
 */
export const ATTESTATION_PATTERN =
  /^(?:TN-Validation-(?:Passed|Failed)(?:-[ABC])?(?:-(?:Diverted|Passthrough))?|No-TN-Validation)$/;

const HEX_64 = /^[0-9a-f]{64}$/;

export const CHANNELS = ['swaig', 'rest'] as const;
/** By which adapter a request came. What is named over one of them never counts as the same name over the other. */
export type Channel = (typeof CHANNELS)[number];

/** The names of an attempt under a further key of its adapter. */
export class NamesUnderKey {
  @Length(1, 64) keyId!: string;
  @Length(8, 128) commandId!: string;
  @Length(1, 128) subjectRef!: string;
  @IsOptional() @Matches(HEX_64) callerKey?: string;
}

/** An attempt without its submitted secret. Telephone numbers appear only as keyed hashes. */
export abstract class AttemptRequest extends Message {
  /** Idempotency key end to end: the same id within the time of its repetition gets the stored answer and costs no attempt. */
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsIn(CHANNELS) channel!: Channel;
  @IsIn(METHODS) method!: Method;
  /** `id`: `subjectRef` is the tenant's id of the subject. `phone`: it is the keyed hash of the number. */
  @IsIn(['id', 'phone']) subjectKind!: 'id' | 'phone';
  @Length(1, 128) subjectRef!: string;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  /**
   * `KeyedHash.callerKey` of the caller. Absent: the request has no caller, as over REST without `callerPhone`.
   */
  @IsOptional() @Matches(HEX_64) callerKey?: string;
  /** Id of the key of `IDENTIFIER_KEY` under which the names above are keyed hashes. */
  @Length(1, 64) keyId!: string;
  /**
   * The names under each further key that the adapter holds. The limiter counts under every key that it shares with the
   * adapter: so no counter begins anew while one key takes the place of another.
   */
  @IsArray() @ArrayMaxSize(3) @ValidateNested({ each: true }) @Type(() => NamesUnderKey) alsoNamed!: NamesUnderKey[];
  /** The subject was identified by the caller's own number. */
  @IsBoolean() subjectIsCaller!: boolean;
  /** The last two digits of the caller's number, for people who read the audit log; empty when there is no number. */
  @Matches(/^\d{0,2}$/) callerTail!: string;
  /** Absent where the platform says nothing. It is a claim of the network, and decides nothing. */
  @IsOptional() @Matches(ATTESTATION_PATTERN) attestation?: string;

  /** Keeps the requests for one subject in order, and on one replica. */
  get partitionKey(): string {
    return `${this.tenant}:${this.subjectKind}:${this.subjectRef}`;
  }
}

/**
 * What the names of a guess are keyed hashes of, as digests (`digestOf` of sealing): the same whatever the adapter's key is.
 * Only the verification service sees them. It names them under a key of its own, so `IDENTIFIER_KEY` can be rotated.
 */
export interface SealedIdentity {
  readonly command: string;
  /** Absent where `subjectKind` is `id`. */
  readonly subject?: string;
  /** Absent where the request has no caller. */
  readonly caller?: string;
}

/** An attempt at the PIN or the answers of a subject, as adapters publish it, with its secrets encrypted for verification. */
export class VerificationRequested extends AttemptRequest {
  static readonly type: string = 'verification.requested.v1';
  static readonly topic: string = TOPICS.requests.name;

  /** How long a stored answer is given again, in seconds (60 for SWAIG, 86400 for an Idempotency-Key). */
  @IsInt() @Min(1) @Max(604_800) repeatSeconds!: number;
  /**
   * Compact JWE of `{pin, newPin?, identity, replyKey}` or `{answers: {question: text}, identity, replyKey}`, bound to every
   * other field (`bindingOf`). `identity` is a {@link SealedIdentity}. `newPin` takes the place of `pin` when that is right; `replyKey` seals the receipt of the answer.
   */
  @Length(1, 16_384) sealed!: string;
}

/** What remains of a quota of the requester: that of its agent or its tenant. Never about callers and subjects. */
export class Quota {
  @IsIn(['agent', 'tenant']) name!: 'agent' | 'tenant';
  @IsInt() @Min(1) limit!: number;
  @IsInt() @Min(1) periodSeconds!: number;
  @IsInt() @Min(0) remaining!: number;
  /** Whole seconds until the quota is unused or, when it is used up, until another request is admitted. */
  @IsInt() @Min(0) resetSeconds!: number;
}

/** An attempt that the rate limiter admitted. */
export class VerificationAdmitted extends VerificationRequested {
  static override readonly type: string = 'verification.admitted.v1';
  static override readonly topic: string = TOPICS.admissions.name;

  /** Passed to the requester with the reply; only for REST, which shows them. */
  @IsOptional() @IsArray() @ArrayMaxSize(2) @ValidateNested({ each: true }) @Type(() => Quota) quotas?: Quota[];
}

/** A limit that has refused, and refuses on for a while. */
export class RefusingLimit {
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  /** Milliseconds from the decision to the first moment at which it lets one more pass. */
  @IsInt() @Min(0) retryAfterMs!: number;
  /** Of `subjectsPerCaller`: subjects that the caller may continue with, as `KeyedHash.short` names them. */
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) admittedSubjects?: readonly string[];
  /**
   * Of `caller` and `call`: the caller's newest admitted commands, from any adapter, as `KeyedHash.short` names them. Their
   * repetitions count no attempt and get the stored replies.
   */
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) admittedCommands?: readonly string[];
}

/** The reply to an attempt, sent only to the address in the header `reply-to` of the request. */
export class VerificationDecided extends Message {
  static readonly type = 'verification.decided.v1';
  static readonly topic = REPLY;

  @Length(8, 128) commandId!: string;
  @IsIn(OUTCOMES) outcome!: Outcome;
  @IsIn(LEVELS) level!: Level;
  /** Id of the attempt in the ledger and in the audit events; absent when nothing was attempted. */
  @IsOptional() @IsString() @MaxLength(64) verificationId?: string;
  /** Only after a success: whoever fails learns nothing about the subject. */
  @IsOptional() @IsSubjectId() subjectId?: string;
  @IsOptional() @IsString() @MaxLength(200) displayName?: string;
  @IsOptional() @IsString() @MaxLength(35) locale?: string;
  /** Set for `rejected`; the adapter shows it only if the policy sets `tellAttemptsLeft`. */
  @IsOptional() @IsInt() @Min(0) attemptsLeft?: number;
  /** Set for `rate_limited`: whole seconds until the next request can pass. */
  @IsOptional() @IsInt() @Min(1) retryAfterSeconds?: number;
  /** Set for `rate_limited`, for the adapter's refusal cache. The caller never learns which limit refused. */
  @IsOptional() @ValidateNested() @Type(() => RefusingLimit) limitedBy?: RefusingLimit;
  /** Only after a success: when it was tried, on the database's clock, ISO 8601. */
  @IsOptional() @IsISO8601() verifiedAt?: string;
  /** Only after a success: until when the call counts as verified, ISO 8601. */
  @IsOptional() @IsISO8601() expiresAt?: string;
  /** Only in a success that is given again from its stored answer: when, on the database's clock, ISO 8601. */
  @IsOptional() @IsISO8601() repeatedAt?: string;
  /** Only after a success: compact JWE of the receipt, under the `replyKey` of the request. Never stored. */
  @IsOptional() @IsString() @MaxLength(8192) receipt?: string;
  /** Only quotas of the requester; with `rate_limited`: the quota that refused. */
  @IsOptional() @IsArray() @ArrayMaxSize(2) @ValidateNested({ each: true }) @Type(() => Quota) quotas?: Quota[];
  /**
   * The command id was used before: with another payload; with the same one, for a success that does not hold any more; or
   * (said by an adapter itself) its first answer is awaited.
   */
  @IsOptional() @IsIn(CONFLICTS) conflict?: Conflict;
  /** With `rejected`, and only if the policy sets `discloseUnknownCaller`: the id or number is unknown. */
  @IsOptional() @IsBoolean() unknownSubject?: boolean;
  /** After a success with a PIN that an administrator chose: it reaches `identified` until the caller changes it. */
  @IsOptional() @IsBoolean() mustChangePin?: boolean;
  /** The new PIN of the request is in force. */
  @IsOptional() @IsBoolean() pinChanged?: boolean;
  /** Rules that the new PIN of the request broke: it was not taken. */
  @IsOptional() violations?: Violation[];

  get partitionKey(): string {
    return this.commandId;
  }
}
