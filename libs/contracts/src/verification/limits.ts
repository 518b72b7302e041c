import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { REASON_PATTERN } from '../management/actor.js';
import { MAX_PAGE_SIZE, ManagementCommand } from '../management/management.js';
import { Message } from '../messages/message.js';
import { IsName, IsSubjectId } from '../names.js';
import { Limit, LIMIT_DIMENSIONS, type LimitDimension } from '../management/policy.js';
import { REPLY, TOPICS } from '../topics.js';
import {
  ATTESTATION_PATTERN,
  CHANNELS,
  METHODS,
  NamesUnderKey,
  Quota,
  RefusingLimit,
  type Channel,
  type Method,
} from './verification.js';
import { IsUtcTime } from '../utc-time.js';

const HEX_64 = /^[0-9a-f]{64}$/;

/** A target under one key of `IDENTIFIER_KEY`. */
export class TargetUnderKey {
  @Length(1, 64) keyId!: string;
  @Length(1, 300) target!: string;
}

/** The target of a limit command. */
export class LimitTarget {
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  /**
   * Absent: all keys of the dimension. For `caller` and `subjectsPerCaller` the caller's keyed hash, for `subject` `id:` or
   * `phone:` with the reference, for `call` the id of the call, for `agent` its name. Never a telephone number. Selects the
   * counters of this name over every channel.
   */
  @IsOptional() @IsString() @Length(1, 300) target?: string;
  /** For a target that is a keyed hash: the target under each key of the adapter. The first one equals `target`. */
  @IsArray() @ArrayMaxSize(4) @ValidateNested({ each: true }) @Type(() => TargetUnderKey) names!: TargetUnderKey[];
}

/** Base of the management commands to the rate limiter about one tenant. */
abstract class LimitCommand extends ManagementCommand {
  @IsName() tenant!: string;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Most overrides of one tenant. Every limiter has all of them in memory, and looks through those of a tenant for each request. */
export const MAX_OVERRIDES = 500;

/** Overrides a limit of the policy until a time. An override of the same target is replaced. */
export class LimitOverrideRequested extends LimitCommand {
  static readonly type = 'limit.override-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  /** Id of the new override, so that a command that is delivered twice makes one override. */
  @IsUUID() overrideId!: string;
  @ValidateNested() @Type(() => LimitTarget) of!: LimitTarget;
  @ValidateNested() @Type(() => Limit) limit!: Limit;
  @Matches(REASON_PATTERN) reason!: string;
  @IsUtcTime() expiresAt!: string;
}

/** Requests an override. */
export class LimitOverrideReadRequested extends LimitCommand {
  static readonly type = 'limit-override.requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @IsUUID() overrideId!: string;
}

/** Requests one page of the overrides of a tenant that have not ended, in the order of their ids. */
export class LimitOverrideListRequested extends LimitCommand {
  static readonly type = 'limit-override-list.requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this id. */
  @IsOptional() @IsUUID() cursor?: string;
  /** Only overrides of these dimensions. Absent: of any. */
  @IsOptional() @IsArray() @IsIn(LIMIT_DIMENSIONS, { each: true }) dimensions?: LimitDimension[];
  /** Only overrides with a target of one of these names, see {@link LimitTarget}. Absent: with any. */
  @IsOptional() @IsArray() @ArrayMaxSize(8) @Length(1, 300, { each: true }) targets?: string[];
}

/** Deletes an override: the limit of the policy applies again. */
export class LimitOverrideDeleteRequested extends LimitCommand {
  static readonly type = 'limit-override.delete-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @IsUUID() overrideId!: string;
}

/** Sets the counters of a target to zero. */
export class LimitResetRequested extends LimitCommand {
  static readonly type = 'limit.reset-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @ValidateNested() @Type(() => LimitTarget) of!: LimitTarget;
  @Matches(REASON_PATTERN) reason!: string;
}

/** Requests the limits, overrides and quota of a tenant. */
export class LimitStateRequested extends LimitCommand {
  static readonly type = 'limit.state-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
}

/** Refunds what an admitted attempt used, after a fault of the product. Never after a wrong PIN. */
export class LimitRefundRequested extends Message {
  static readonly type = 'limit.refund-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsIn(CHANNELS) channel!: Channel;
  @IsIn(['id', 'phone']) subjectKind!: 'id' | 'phone';
  @Length(1, 128) subjectRef!: string;
  @IsBoolean() subjectIsCaller!: boolean;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @IsOptional() @Matches(HEX_64) callerKey?: string;
  @Length(1, 64) keyId!: string;
  @IsArray() @ArrayMaxSize(3) @ValidateNested({ each: true }) @Type(() => NamesUnderKey) alsoNamed!: NamesUnderKey[];
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Kinds of requests without a submitted secret. `enrolment`: a new PIN or new answers by an administrator. */
export const LIMITED_ACTIONS = ['function', 'call_state', 'introspection', 'enrolment'] as const;
export type LimitedAction = (typeof LIMITED_ACTIONS)[number];

/**
 * Requests a decision of the limiter about a request without a submitted secret: a function, a query or an enrolment. Each
 * is counted, also when the platform delivers it again.
 */
export class LimitRequested extends Message {
  static readonly type = 'limit.requested.v1';
  static readonly topic = TOPICS.requests.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  /** Absent for an enrolment, which an administrator requests. */
  @IsOptional() @IsName() agent?: string;
  @IsIn(CHANNELS) channel!: Channel;
  @IsIn(LIMITED_ACTIONS) action!: LimitedAction;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  /** Only for an enrolment. */
  @IsOptional() @IsSubjectId() subject?: string;

  get partitionKey(): string {
    return this.callId === undefined ? this.commandId : `${this.tenant}:call:${this.callId}`;
  }
}

/** The answer to {@link LimitRequested}. */
export class LimitDecided extends Message {
  static readonly type = 'limit.decided.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  /** `unavailable`: nothing was decided, so the request must not be performed. */
  @IsIn(['admitted', 'rate_limited', 'unavailable']) outcome!: 'admitted' | 'rate_limited' | 'unavailable';
  /** Set for `rate_limited`: whole seconds until the next request can be admitted. */
  @IsOptional() @IsInt() @Min(1) retryAfterSeconds?: number;
  /** Set for `rate_limited`, for the adapter's refusal cache. */
  @IsOptional() @ValidateNested() @Type(() => RefusingLimit) limitedBy?: RefusingLimit;
  /** Only for REST, and only quotas of the requester. With `rate_limited`: the quota that refused. */
  @IsOptional() @IsArray() @ArrayMaxSize(2) @ValidateNested({ each: true }) @Type(() => Quota) quotas?: Quota[];

  get partitionKey(): string {
    return this.commandId;
  }
}

/**
 * Requests of one kind that an adapter refused because of a cached refusal: for the audit log and the limiter's signals.
 * Published on the topic of the attempts, so that it reaches the replica that counts the others of this key.
 */
export class RefusalsCounted extends Message {
  static readonly type = 'limit.refusals-counted.v1';
  static readonly topic = TOPICS.requests.name;
  /** The same when the same refusals are published again. */
  @IsUUID() countId!: string;
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  @IsInt() @Min(1) count!: number;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsOptional() @IsName() agent?: string;
  @IsIn(CHANNELS) channel!: Channel;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  /** As in the attempt; absent for other requests. */
  @IsOptional() @IsIn(METHODS) method?: Method;
  @IsOptional() @IsIn(['id', 'phone']) subjectKind?: 'id' | 'phone';
  @IsOptional() @Length(1, 128) subjectRef?: string;
  @IsOptional() @IsBoolean() subjectIsCaller?: boolean;
  @IsOptional() @Matches(HEX_64) callerKey?: string;
  /** As in the attempt; absent for other requests, which have no names. */
  @IsOptional() @Length(1, 64) keyId?: string;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(3)
  @ValidateNested({ each: true })
  @Type(() => NamesUnderKey)
  alsoNamed?: NamesUnderKey[];
  @IsOptional() @Matches(/^\d{0,2}$/) callerTail?: string;
  @IsOptional() @Matches(ATTESTATION_PATTERN) attestation?: string;
  /** As in {@link LimitRequested}; absent for attempts. */
  @IsOptional() @IsIn(LIMITED_ACTIONS) action?: LimitedAction;
  @IsOptional() @IsSubjectId() subject?: string;

  get partitionKey(): string {
    if (this.subjectRef !== undefined) return `${this.tenant}:${this.subjectKind}:${this.subjectRef}`;
    return this.callId === undefined ? this.commandId : `${this.tenant}:call:${this.callId}`;
  }
}

/** Tightens the limits of a tenant after another service detected an attack. */
export class LimitTightenRequested extends Message {
  static readonly type = 'limit.tighten-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsInt() @Min(1) @Max(86_400) seconds!: number;
  get partitionKey(): string {
    return this.tenant;
  }
}
