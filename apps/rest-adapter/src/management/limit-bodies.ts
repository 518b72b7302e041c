import {
  LIMIT_DIMENSIONS,
  NAME_PATTERN,
  SUBJECT_PATTERN,
  type LimitDimension,
  type Violation,
} from '@countersign/contracts';
import { toE164 } from '@countersign/normalization';
import { IsIn, IsInt, IsISO8601, Matches, Max, Min, ValidateIf } from 'class-validator';
import { IsReason, NAME_RULE, PHONE_RULE, SUBJECT_RULE } from './bodies.js';
import { Body } from '../http/read-body.js';

const Optional = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined);

/** Of ISO 8601 only what RFC 3339 takes too, in years that every reader knows: no weeks, no lone months. */
const TIME_PATTERN = /^2\d{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const TIME_RULE = 'must be a time with its time zone, such as 2027-01-31T12:00:00Z';

/** Which fields name somebody in a dimension. */
const NAMED_BY: Readonly<Record<LimitDimension, readonly TargetField[]>> = {
  caller: ['phone'],
  subjectsPerCaller: ['phone'],
  subject: ['subject', 'phone'],
  call: ['callId'],
  agent: ['agent'],
  tenant: [],
};
const TARGET_FIELDS = ['phone', 'subject', 'callId', 'agent'] as const;
type TargetField = (typeof TARGET_FIELDS)[number];

/** Whose limit is meant: a dimension, and somebody in it. */
abstract class TargetBody extends Body {
  @IsIn(LIMIT_DIMENSIONS, { message: `must be one of ${LIMIT_DIMENSIONS.join(', ')}` }) dimension!: LimitDimension;
  @Optional() phone?: string;
  @Optional() @Matches(SUBJECT_PATTERN, { message: SUBJECT_RULE }) subject?: string;
  @Optional()
  @Matches(/^[\x21-\x7e]{1,256}$/, { message: 'must be 1 to 256 printable ASCII characters without spaces' })
  callId?: string;
  @Optional() @Matches(NAME_PATTERN, { message: NAME_RULE }) agent?: string;
  @IsReason() reason!: string;

  /** Whether somebody must be named; where not, nobody stands for everybody. */
  protected abstract readonly named: boolean;

  override rules(): Violation[] {
    const allowed = NAMED_BY[this.dimension];
    const given = TARGET_FIELDS.filter((field) => this[field] !== undefined);
    const foreign = given.find((field) => !allowed.includes(field));
    if (foreign) return [{ field: foreign, rule: 'does not belong to this dimension' }];
    if (given.length > 1 || (this.named && given.length < allowed.length && given.length === 0)) {
      return [{ field: allowed[0] ?? 'dimension', rule: `exactly one of ${allowed.join(' and ')} must be given` }];
    }
    if (this.phone !== undefined && this.e164() === undefined) return [{ field: 'phone', rule: PHONE_RULE }];
    return [];
  }

  e164(): string | undefined {
    return typeof this.phone === 'string' ? toE164(this.phone) : undefined;
  }
}

export class OverrideBody extends TargetBody {
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(1_000_000, { message: 'must be at most 1000000' })
  limit!: number;
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(604_800, { message: 'must be at most 604800' })
  periodSeconds!: number;
  @Matches(TIME_PATTERN, { message: TIME_RULE })
  @IsISO8601({ strict: true, strictSeparator: true }, { message: TIME_RULE })
  expiresAt!: string;
  /** {@link expiresAt} in the one spelling that goes over the bus. */
  get endsAt(): string {
    return new Date(this.expiresAt).toISOString();
  }
  protected override get named(): boolean {
    return false;
  }
}

export class ResetBody extends TargetBody {
  protected override get named(): boolean {
    return true;
  }
}
