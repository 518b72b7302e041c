import {
  e164,
  IsCallId,
  IsNameOf,
  IsReason,
  IsSubjectIdField,
  Optional,
  PHONE_KEYWORDS,
  PHONE_RULE,
  RequestBody,
  Described,
  Field,
  type Keywords,
} from '@countersign/api';
import { LIMIT_DIMENSIONS, type LimitDimension, type Violation } from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, Matches } from 'class-validator';

const TARGET_FIELDS = ['phone', 'callerKey', 'subject', 'callId', 'agent'] as const;
type TargetField = (typeof TARGET_FIELDS)[number];

/** The fields that can name the target of a limit, by dimension. */
const NAMED_BY: Readonly<Record<LimitDimension, readonly TargetField[]>> = {
  caller: ['phone', 'callerKey'],
  subjectsPerCaller: ['phone', 'callerKey'],
  subject: ['subject', 'phone'],
  call: ['callId'],
  agent: ['agent'],
  tenant: [],
};

/** Which fields go together: for each dimension, those that can name its target, of which one is given. */
export function targetKeywords(needsTarget: boolean): Keywords {
  const only = (dimension: LimitDimension, field?: TargetField): Keywords => ({
    properties: {
      dimension: { const: dimension },
      ...Object.fromEntries(TARGET_FIELDS.filter((other) => other !== field).map((other) => [other, false])),
    },
    ...(field === undefined ? {} : { required: [field] }),
  });
  return {
    oneOf: LIMIT_DIMENSIONS.flatMap((dimension) => {
      const named = NAMED_BY[dimension].map((field) => only(dimension, field));
      return needsTarget && named.length > 0 ? named : [...named, only(dimension)];
    }),
  };
}

/** A limit: its dimension, and the one target in it that is meant. */
export abstract class LimitTargetBody extends RequestBody {
  @Field('What the limit counts by')
  @IsIn(LIMIT_DIMENSIONS, { message: `must be one of ${LIMIT_DIMENSIONS.join(', ')}` })
  dimension!: LimitDimension;
  @Field('For the dimensions caller, subjectsPerCaller and subject: a number in E.164', PHONE_KEYWORDS)
  @Optional()
  phone?: string;
  @Field('For the dimensions caller and subjectsPerCaller: the keyed hash of the caller, as the events have it')
  @Optional()
  @Matches(/^[0-9a-f]{64}$/, { message: 'must be the keyed hash of a caller' })
  callerKey?: string;
  @Optional() @IsSubjectIdField() subject?: string;
  @Optional() @IsCallId('For the dimension call') callId?: string;
  @Optional() @IsNameOf('For the dimension agent') agent?: string;
  @IsReason() reason!: string;

  /** Whether a target is required. Without one the whole dimension is meant. */
  protected abstract readonly needsTarget: boolean;

  override rules(): Violation[] {
    const allowed = NAMED_BY[this.dimension];
    const given = TARGET_FIELDS.filter((field) => this[field] !== undefined);
    const foreign = given.find((field) => !allowed.includes(field));
    if (foreign) return [{ field: foreign, rule: 'does not belong to this dimension' }];
    if (given.length > 1 || (this.needsTarget && allowed.length > 0 && given.length === 0)) {
      return [{ field: allowed[0] ?? 'dimension', rule: `exactly one of ${allowed.join(' and ')} must be given` }];
    }
    if (this.phone !== undefined && this.e164() === undefined) return [{ field: 'phone', rule: PHONE_RULE }];
    return [];
  }

  e164(): string | undefined {
    return e164(this.phone);
  }
}

@Described({
  ...targetKeywords(true),
  examples: [
    { dimension: 'call', callId: 'call-1', reason: 'test call of our own' },
    { dimension: 'caller', phone: '+12025550147', reason: 'a call centre behind one number' },
  ],
})
export class ResetBody extends LimitTargetBody {
  protected override get needsTarget(): boolean {
    return true;
  }
}

export class LimitOverrideState {
  @ApiProperty({ type: 'string', enum: LIMIT_DIMENSIONS }) dimension!: LimitDimension;
  @ApiPropertyOptional({ description: 'Empty or absent: the whole dimension. A number is shown as a keyed hash.' })
  target?: string;
  @ApiProperty({ type: 'integer' }) limit!: number;
  @ApiProperty({ type: 'integer' }) periodSeconds!: number;
  @ApiProperty({ description: 'The reason that was given.' }) reason!: string;
  @ApiPropertyOptional({ format: 'date-time', description: 'In the answer to a new override.' }) expiresAt?: string;
  @ApiPropertyOptional({ type: 'integer', description: 'In the list of overrides: seconds that remain.' })
  endsInSeconds?: number;
}

class TenantQuotaState {
  @ApiProperty({ type: 'integer', description: 'Requests that remain in the period.' }) left!: number;
  @ApiProperty({ type: 'integer', description: 'Seconds until the quota is full again.' }) resetSeconds!: number;
}

export class LimitsState {
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object' },
    description: 'The limit in force by dimension: `limit`, `periodSeconds`, `burst`, `shadow`.',
  })
  limits!: Record<LimitDimension, object>;
  @ApiProperty({ type: () => TenantQuotaState }) tenant!: TenantQuotaState;
  @ApiProperty({ type: 'integer', description: 'How long the limits stay halved after a signal, in seconds.' })
  stricterSeconds!: number;
  @ApiProperty({ type: [LimitOverrideState] }) overrides!: LimitOverrideState[];
}
