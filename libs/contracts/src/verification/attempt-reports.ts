import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Min,
  ValidateNested,
} from 'class-validator';
import { Message } from '../messages/message.js';
import { TOPICS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';
import { METHODS, OUTCOMES, type Method, type Outcome } from './verification.js';

/**
 * How an attempt differs from the other rows of its counter. Numbers have no gaps, so `missing_before`: the ledger lacks the
 * attempt with the number before; `missing_after`: the counter has counted more, and the ledger lacks the next one;
 * `counter_below`: the counter is missing, or has counted fewer.
 */
export const LEDGER_FAULTS = ['missing_before', 'missing_after', 'counter_below'] as const;
export type LedgerFault = (typeof LEDGER_FAULTS)[number];

/** Most attempts of a report, apart from more that were counted in one millisecond. */
export const ATTEMPTS_PER_REPORT = 1_000;
const MAX_ATTEMPTS = 20_000;

/** An attempt as the ledger has it. */
export class ReportedAttempt {
  /** The events have it as `verification_id`. */
  @IsUUID() attemptId!: string;
  /** ISO 8601, on the database's clock. */
  @IsUtcTime() countedAt!: string;
  @Matches(/^[a-z0-9][a-z0-9_-]{0,62}$/) tenant!: string;
  @IsOptional() @IsString() @Length(1, 128) subject?: string;
  @IsIn(METHODS) method!: Method;
  @IsInt() @Min(1) number!: number;
  /** Absent: not decided yet. */
  @IsOptional() @IsIn(OUTCOMES) outcome?: Outcome;
  @IsOptional() @IsIn(LEDGER_FAULTS) fault?: LedgerFault;
}

/** Reports every attempt of the ledger in a period. The audit service compares it with the log. */
export class AttemptsReported extends Message {
  static readonly type = 'attempts.reported.v1';
  static readonly topic = TOPICS.attemptReports.name;
  @IsUUID() reportId!: string;
  /** `live`: attempts that were just counted. `history`: all others, in turn. */
  @IsIn(['live', 'history']) pass!: 'live' | 'history';
  /** The period: from this time, ISO 8601 in whole milliseconds, to before {@link until}. */
  @IsUtcTime() from!: string;
  @IsUtcTime() until!: string;
  /** The ledger may lack attempts before this time, because old decoys are purged with their attempts. */
  @IsUtcTime() purgedBefore!: string;
  @IsArray()
  @ArrayMaxSize(MAX_ATTEMPTS)
  @ValidateNested({ each: true })
  @Type(() => ReportedAttempt)
  attempts!: ReportedAttempt[];
  /** Reports are compared one after the other. */
  get partitionKey(): string {
    return 'attempts';
  }
}
