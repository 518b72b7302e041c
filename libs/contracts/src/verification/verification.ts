import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { Message } from '../messages/message.js';
import { IsName, IsSubjectId } from '../names.js';
import { LIMIT_DIMENSIONS, type LimitDimension } from '../management/policy.js';
import { REPLY, TOPICS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';

export const OUTCOMES = ['verified', 'rejected', 'locked', 'rate_limited', 'disabled', 'unavailable'] as const;
/** Outcome of a verification. `locked` includes the attempt that used up the window. */
export type Outcome = (typeof OUTCOMES)[number];

export const LEVELS = ['none', 'identified', 'verified'] as const;
/** The level of a verification, in rising order. Not a NIST AAL. */
export type Level = (typeof LEVELS)[number];

export const METHODS = ['pin', 'knowledge'] as const;
/** What a submitted secret is compared with: the subject's PIN, or its answers to the questions of the policy. */
export type Method = (typeof METHODS)[number];

export const CONFLICTS = ['mismatch', 'ended', 'in_flight'] as const;
/** Why a repeated command does not get the stored answer again. */
export type Conflict = (typeof CONFLICTS)[number];

/** A field and the rule that its value violates, as text. Never the value. */
export interface Violation {
  readonly field: string;
  readonly rule: string;
}

/**
 * The statement of the originating network about the calling number, in the form of the tel URI parameter `verstat` (3GPP TS
 * 24.229, ATIS-1000074): the result, the level of attestation if known, and whether the call was diverted.
 */
export const ATTESTATION_PATTERN =
  /^(?:TN-Validation-(?:Passed|Failed)(?:-[ABC])?(?:-(?:Diverted|Passthrough))?|No-TN-Validation)$/;

const HEX_64 = /^[0-9a-f]{64}$/;

export const CHANNELS = ['swaig', 'rest'] as const;
/** The adapter of a request. Equal names over two channels are different names. */
export type Channel = (typeof CHANNELS)[number];

/** The names of an attempt under another key of its adapter. */
export class NamesUnderKey {
  @Length(1, 64) keyId!: string;
  @Length(8, 128) commandId!: string;
  @Length(1, 128) subjectRef!: string;
  @IsOptional() @Matches(HEX_64) callerKey?: string;
}

/** An attempt without its submitted secret. Telephone numbers are keyed hashes. */
export abstract class AttemptRequest extends Message {
  /** Idempotency key end to end: a repetition within `repeatSeconds` gets the stored reply and counts no attempt. */
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsIn(CHANNELS) channel!: Channel;
  @IsIn(METHODS) method!: Method;
  /** `id`: `subjectRef` is the tenant's id of the subject. `phone`: it is the keyed hash of the number. */
  @IsIn(['id', 'phone']) subjectKind!: 'id' | 'phone';
  @Length(1, 128) subjectRef!: string;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  /** `KeyedHash.callerKey` of the caller. Absent: the request has no caller, as over REST without `callerPhone`. */
  @IsOptional() @Matches(HEX_64) callerKey?: string;
  /** Id of the key of `IDENTIFIER_KEY` under which the names above are keyed hashes. */
  @Length(1, 64) keyId!: string;
  /**
   * The names under the other keys of the adapter. The limiter counts under every key that it shares with the adapter, so no
   * counter starts at zero while a key is rotated.
   */
  @IsArray() @ArrayMaxSize(3) @ValidateNested({ each: true }) @Type(() => NamesUnderKey) alsoNamed!: NamesUnderKey[];
  /** The subject was identified by the caller's own number. */
  @IsBoolean() subjectIsCaller!: boolean;
  /** The last two digits of the caller's number, for readers of the audit log; empty without a number. */
  @Matches(/^\d{0,2}$/) callerTail!: string;
  /** Absent if the platform sends none. A claim of the network; it never affects the outcome. */
  @IsOptional() @Matches(ATTESTATION_PATTERN) attestation?: string;

  /** Keeps the requests for one subject in order and on one replica. */
  get partitionKey(): string {
    return `${this.tenant}:${this.subjectKind}:${this.subjectRef}`;
  }
}

/**
 * The digests (`digestOf` of crypto) whose keyed hashes are the names of an attempt. They do not depend on the adapter's key.
 * Only the verification service can read them. It hashes them under its names key, so `IDENTIFIER_KEY` can be rotated.
 */
export interface SealedIdentity {
  readonly command: string;
  /** Absent if `subjectKind` is `id`. */
  readonly subject?: string;
  /** Absent if the request has no caller. */
  readonly caller?: string;
}

/** An attempt as adapters publish it, with its secrets encrypted for the verification service. */
export class VerificationRequested extends AttemptRequest {
  static readonly type: string = 'verification.requested.v1';
  static readonly topic: string = TOPICS.requests.name;

  /** How long a repetition gets the stored reply, in seconds (60 for SWAIG, 86400 for an Idempotency-Key). */
  @IsInt() @Min(1) @Max(604_800) repeatSeconds!: number;
  /**
   * Compact JWE of `{pin, newPin?, identity, replyKey, acceptsMac?}` or `{answers: {question: text}, identity, replyKey,
   * acceptsMac?}`, bound to every other field (`bindingOf`). `identity` is a {@link SealedIdentity}. `newPin` replaces `pin` if
   * `pin` is right. `replyKey` encrypts the receipt of the reply, and with `acceptsMac: true` proves the reply itself by a MAC
   * in place of a signature.
   */
  @Length(1, 16_384) sealed!: string;
}

/** The remaining quota of the requester: of its agent or its tenant. Never of callers or subjects. */
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

  /** Copied to the reply; only for REST, which shows them. */
  @IsOptional() @IsArray() @ArrayMaxSize(2) @ValidateNested({ each: true }) @Type(() => Quota) quotas?: Quota[];
}

/** A limit that refused a request and will refuse others for some time. */
export class RefusingLimit {
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  /** Milliseconds from the decision until the limit admits another request. */
  @IsInt() @Min(0) retryAfterMs!: number;
  /** Of `subjectsPerCaller`: subjects that the caller may still ask about, named by `KeyedHash.limitMember`. */
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) admittedSubjects?: readonly string[];
  /**
   * Of `caller` and `call`: the newest admitted commands, from any adapter, named by `KeyedHash.limitCommand`. Repetitions of
   * them count no attempt and get the stored replies.
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
  /** Id of the attempt in the ledger and in the audit events; absent if no attempt was counted. */
  @IsOptional() @IsString() @MaxLength(64) verificationId?: string;
  /** Only after a success, because a failed attempt must reveal nothing about the subject. */
  @IsOptional() @IsSubjectId() subjectId?: string;
  @IsOptional() @IsString() @MaxLength(200) displayName?: string;
  @IsOptional() @IsString() @MaxLength(35) locale?: string;
  /** Set for `rejected`; the adapter shows it only if the policy sets `tellAttemptsLeft`. */
  @IsOptional() @IsInt() @Min(0) attemptsLeft?: number;
  /** Set for `rate_limited`: whole seconds until the next request can be admitted. */
  @IsOptional() @IsInt() @Min(1) retryAfterSeconds?: number;
  /** Set for `rate_limited`, for the adapter's refusal cache. Callers never learn which limit refused; API clients learn some (ADR 53). */
  @IsOptional() @ValidateNested() @Type(() => RefusingLimit) limitedBy?: RefusingLimit;
  /** Only after a success: the time of the attempt on the database's clock, ISO 8601. */
  @IsOptional() @IsUtcTime() verifiedAt?: string;
  /** Only after a success: until when the call counts as verified, ISO 8601. */
  @IsOptional() @IsUtcTime() expiresAt?: string;
  /** Only in a repeated success: the time of the repetition on the database's clock, ISO 8601. */
  @IsOptional() @IsUtcTime() repeatedAt?: string;
  /** Only after a success: compact JWE of the receipt, under the `replyKey` of the request. Never stored. */
  @IsOptional() @IsString() @MaxLength(8192) receipt?: string;
  /** Only quotas of the requester; with `rate_limited`: the quota that refused. */
  @IsOptional() @IsArray() @ArrayMaxSize(2) @ValidateNested({ each: true }) @Type(() => Quota) quotas?: Quota[];
  /**
   * The command id was used before: with another payload, or for a success that is no longer valid, or (set by the adapter
   * itself) its first reply is still pending.
   */
  @IsOptional() @IsIn(CONFLICTS) conflict?: Conflict;
  /** With `rejected`, and only if the policy sets `discloseUnknownCaller`: the id or number is unknown. */
  @IsOptional() @IsBoolean() unknownSubject?: boolean;
  /** After a success with a PIN that an administrator chose: the level is at most `identified` until the caller changes it. */
  @IsOptional() @IsBoolean() mustChangePin?: boolean;
  /** The new PIN of the request is in force. */
  @IsOptional() @IsBoolean() pinChanged?: boolean;
  /** Rules that the new PIN of the request violates, so it was not enrolled. */
  @IsOptional() violations?: Violation[];

  get partitionKey(): string {
    return this.commandId;
  }
}
