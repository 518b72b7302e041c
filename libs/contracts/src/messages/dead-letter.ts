import { IsIn, IsInt, IsOptional, IsString, IsUUID, Length, Matches, MaxLength, Min } from 'class-validator';
import { ERROR_CODES, type ErrorCode } from '../error-codes.js';
import { Message } from './message.js';
import { DEAD_LETTERS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';

/** Written instead of handling a record: its place, type and error, and nothing of its content. */
export class DeadLettered extends Message {
  static readonly type = 'record.dead-lettered.v1';
  static readonly topic = DEAD_LETTERS.name;

  /** The same whenever the same group gives up the same record, so a dead letter that is written twice counts once. */
  @IsUUID() letterId!: string;
  /** When the group gave up, ISO 8601 UTC. */
  @IsUtcTime() time!: string;
  @IsString() @Length(1, 100) group!: string;
  @IsString() @Length(1, 249) recordTopic!: string;
  @IsInt() @Min(0) partition!: number;
  /** Decimal string: offsets are 64 bit. */
  @Matches(/^\d{1,19}$/) offset!: string;
  /** Type of the record, if its header has a well-formed one. */
  @IsOptional() @Matches(/^[a-z0-9.-]{1,80}$/) recordType?: string;
  @IsIn(ERROR_CODES) code!: ErrorCode;
  /** Class of the error. */
  @IsString() @MaxLength(100) errorClass!: string;
  /** SHA-256 of the record's value, hex: identifies the content without storing it. */
  @Matches(/^[0-9a-f]{64}$/) sha256!: string;

  get partitionKey(): string {
    return `${this.recordTopic}/${this.partition}`;
  }
}
