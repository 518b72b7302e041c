import {
  e164,
  IsCallId,
  IsIdOf,
  IsNameOf,
  IsSubjectIdField,
  IsTime,
  Optional,
  PHONE_QUERY_KEYWORDS,
  PHONE_RULE,
  TenantPath,
  RequestBody,
  Described,
  Field,
} from '@countersign/api';
import {
  ACTOR_KINDS,
  LIMIT_DIMENSIONS,
  MAX_PAGE_SIZE,
  OPERATOR_ROLES,
  type ActorKind,
  type LimitDimension,
  type OperatorRoleName,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, Matches, Max, Min } from 'class-validator';
import { LimitTargetBody, targetKeywords } from './limits.dto.js';
import { NEXT_CURSOR } from '../tenants/tenants.dto.js';

const DEFAULT_PAGE_SIZE = 50;

@Described()
export class OverridePath extends TenantPath {
  @IsIdOf('Id of the override') override!: string;
}

@Described({
  ...targetKeywords(false),
  examples: [
    {
      dimension: 'caller',
      phone: '+12025550147',
      limit: 50,
      periodSeconds: 60,
      reason: 'a call centre behind one number',
      expiresAt: '2099-01-31T12:00:00Z',
    },
  ],
})
export class OverrideBody extends LimitTargetBody {
  @Field('Most requests in a period')
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(1_000_000, { message: 'must be at most 1000000' })
  limit!: number;
  @Field('Length of the period')
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(604_800, { message: 'must be at most 604800' })
  periodSeconds!: number;
  @Field('Shadow mode: the limit is evaluated and reported, and refuses nothing. Default: false')
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  shadow?: boolean;
  @IsTime('End of the override, a time to come')
  expiresAt!: string;

  /** {@link expiresAt} in the one spelling that is published. */
  get endsAt(): string {
    return new Date(this.expiresAt).toISOString();
  }
  protected override get needsTarget(): boolean {
    return false;
  }
}

/** The query of the list of overrides. Its values are texts. */
@Described()
export class OverrideQuery extends RequestBody {
  @Field('Most items of the page', {
    ...{ type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE, pattern: undefined },
  })
  @Optional()
  @Matches(/^([1-9]\d?|1\d\d|200)$/, { message: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` })
  limit?: string;
  @Optional() @IsIdOf('`nextCursor` of the page before. Absent: the first page') cursor?: string;
  @Field('Only overrides of this limit')
  @Optional()
  @IsIn(LIMIT_DIMENSIONS, { message: `must be one of ${LIMIT_DIMENSIONS.join(', ')}` })
  dimension?: LimitDimension;
  @Field('Only overrides of this number, in E.164, as a caller or as a subject', PHONE_QUERY_KEYWORDS)
  @Optional()
  phone?: string;
  @Optional() @IsSubjectIdField() subject?: string;
  @Optional() @IsCallId('Only overrides of this call') callId?: string;
  @Optional() @IsNameOf('Only overrides of this agent') agent?: string;

  override rules(): Violation[] {
    const given = (['phone', 'subject', 'callId', 'agent'] as const).filter((field) => this[field] !== undefined);
    if (given.length > 1) {
      return [{ field: String(given[1]), rule: 'at most one of phone, subject, callId and agent may be given' }];
    }
    if (this.phone !== undefined && e164(this.phone) === undefined) return [{ field: 'phone', rule: PHONE_RULE }];
    return [];
  }

  /** The page of the command. */
  page(): { limit: number; cursor?: string } {
    const { limit = DEFAULT_PAGE_SIZE, cursor } = this;
    return { limit: Number(limit), ...(cursor !== undefined && { cursor }) };
  }
}

class ActorState {
  @ApiProperty({ type: 'string', enum: ACTOR_KINDS }) kind!: ActorKind;
  @ApiPropertyOptional({ description: 'Id of the key or operator. The administrator has none.' }) id?: string;
  @ApiPropertyOptional({ description: 'Name of the operator.' }) name?: string;
  @ApiPropertyOptional({ enum: OPERATOR_ROLES, isArray: true, description: 'Roles of the operator.' })
  roles?: OperatorRoleName[];
  @ApiProperty({ description: 'Network address of the client.' }) sourceAddress!: string;
}

export class OverrideState {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ type: 'string', enum: LIMIT_DIMENSIONS, description: 'What the limit counts by.' })
  dimension!: LimitDimension;
  @ApiPropertyOptional({ description: 'Keyed hash of the telephone number of the target.' }) phoneKey?: string;
  @ApiPropertyOptional({ description: 'The subject of the target.' }) subject?: string;
  @ApiPropertyOptional({ description: 'The call of the target.' }) callId?: string;
  @ApiPropertyOptional({ description: 'The agent of the target.' }) agent?: string;
  @ApiProperty({ type: 'integer', description: 'Most requests in a period.' }) limit!: number;
  @ApiProperty({ type: 'integer', description: 'Length of the period. In seconds.' }) periodSeconds!: number;
  @ApiProperty({ description: 'Whether the limit only reports, and refuses nothing.' }) shadow!: boolean;
  @ApiProperty({ description: 'The reason as it was given.' }) reason!: string;
  @ApiPropertyOptional({ type: () => ActorState, description: 'Who set the override.' }) actor?: ActorState;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time', description: 'End of the override.' }) expiresAt!: string;
}

export class OverridePage {
  @ApiProperty({ type: [OverrideState] }) items!: OverrideState[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}
