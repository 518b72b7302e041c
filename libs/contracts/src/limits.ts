import { Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { Message } from './message.js';
import { IsName } from './names.js';
import { Limit, LIMIT_DIMENSIONS, type LimitDimension } from './policy.js';
import { TOPICS } from './topics.js';
import { GuessDescribed, type VerificationAdmitted } from './verification.js';

/** Whose limit a command is about. */
export class LimitTarget {
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  /**
   * Absent: everybody in the dimension. Of `caller` and `subjectsPerCaller` the caller's keyed hash, of `subject`
   * `id:` or `phone:` and its reference, of `call` the call's id, of `agent` its name. Never a telephone number.
   */
  @IsOptional() @IsString() @Length(1, 300) target?: string;
}

/** Base of the commands to the rate limiter; each is about one tenant. */
abstract class LimitCommand extends Message {
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Sets a limit apart from the policy, for a time and with a reason. */
export class LimitOverrideRequested extends LimitCommand {
  static readonly type = 'limit.override-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @ValidateNested() @Type(() => LimitTarget) of!: LimitTarget;
  @ValidateNested() @Type(() => Limit) limit!: Limit;
  @IsString() @Length(1, 500) reason!: string;
  @IsISO8601() expiresAt!: string;
}

/** Forgets what one key has used. */
export class LimitResetRequested extends LimitCommand {
  static readonly type = 'limit.reset-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @ValidateNested() @Type(() => LimitTarget) of!: LimitTarget;
  @IsString() @Length(1, 500) reason!: string;
}

/** Asks for the state of the limiter, as far as it is the tenant's. */
export class LimitStateRequested extends LimitCommand {
  static readonly type = 'limit.state-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
}

/** Gives back what an admitted guess has used, because the product was at fault; never for a wrong PIN. */
export class LimitRefundRequested extends Message {
  static readonly type = 'limit.refund-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsIn(['id', 'phone']) subjectKind!: VerificationAdmitted['subjectKind'];
  @Length(1, 128) subjectRef!: string;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @Matches(/^[0-9a-f]{64}$/) callerKey!: string;
  get partitionKey(): string {
    return this.tenant;
  }
}

/**
 * Guesses alike that a front door has refused by itself, because a limit that had refused before them still stood: for the
 * record and for the limiter's signals. Told on the topic of the guesses, so that it comes to the copy that sees the others.
 */
export class RefusalsCounted extends GuessDescribed {
  static readonly type = 'limit.refusals-counted.v1';
  static readonly topic = TOPICS.requests.name;
  /** The same whenever the same refusals are told again. Absent: from a front door of an older release. */
  @IsOptional() @IsUUID() countId?: string;
  @IsIn(LIMIT_DIMENSIONS) dimension!: LimitDimension;
  @IsInt() @Min(1) count!: number;
}

/** Tells the limiter of an attack that another service has seen. */
export class LimitTightenRequested extends LimitCommand {
  static readonly type = 'limit.tighten-requested.v1';
  static readonly topic = TOPICS.limitCommands.name;
  @IsInt() @Min(1) @Max(86_400) seconds!: number;
}
