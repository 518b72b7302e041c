import { IsNameOf, IsReason, IsText, Optional, RequestBody, Described, Field } from '@countersign/api';
import {
  DIRECTORY_STATES,
  MAX_PAGE_SIZE,
  TENANT_STATES,
  type DirectoryState,
  type TenantLifeState,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, Matches, Max, Min } from 'class-validator';
import { policyRules } from '../policies/policy-rules.js';
import { POLICY_CHANGE, POLICY_PATCH } from '../policies/policy.schemas.js';

const POLICY = 'Fields of the policy to set. Fields that are not sent keep their value';

@Described({ examples: [{ name: 'Acme Bank', policy: { verifiedSeconds: 600 } }] })
export class TenantBody extends RequestBody {
  @IsText('Name that operators read') name!: string;
  @Field(POLICY, { allOf: [POLICY_CHANGE] }) @Optional() policy?: Record<string, unknown>;

  override rules(): Violation[] {
    return this.policy === undefined ? [] : policyRules(this.policy);
  }
}

/** A merge patch (RFC 7396) of a tenant or an agent. */
@Described({ examples: [{ name: 'Acme Bank', policy: { escalation: null } }] })
export class NameAndPolicyPatchBody extends RequestBody {
  @Optional() @IsText('Name that operators read') name?: string;
  @Field('Null clears a field of the policy, or all of them', { anyOf: [POLICY_PATCH, { type: 'null' }] })
  @Optional()
  policy?: Record<string, unknown> | null;

  override rules(): Violation[] {
    return this.policy === undefined || this.policy === null ? [] : policyRules(this.policy);
  }
}

@Described({ examples: [{ agent: 'front-desk', name: 'Front desk' }] })
export class AgentBody extends RequestBody {
  @IsNameOf('Name of the agent, unique in its tenant') agent!: string;
  @Optional() @IsText('Name that operators read. Default: the value of `agent`') name?: string;
  @Field(POLICY, { allOf: [POLICY_CHANGE] }) @Optional() policy?: Record<string, unknown>;

  override rules(): Violation[] {
    return this.policy === undefined ? [] : policyRules(this.policy);
  }
}

@Described({ examples: [{ graceSeconds: 3600 }] })
export class RotateBody extends RequestBody {
  static override readonly isOptional = true;

  @Field('How long the old secrets stay valid, at most the last 31 of each. Default: 86400')
  @Optional()
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  @Max(604_800, { message: 'must be at most 604800' })
  graceSeconds: number = 86_400;
}

@Described({ examples: [{ reason: 'The contract has ended' }] })
export class DisableBody extends RequestBody {
  static override readonly isOptional = true;

  @Optional() @IsReason() reason?: string;
}

/** The query of a call that deletes something. */
@Described()
export class ReasonQuery extends RequestBody {
  @Optional() @IsReason() reason?: string;
}

const DEFAULT_PAGE_SIZE = 50;

/** The query of any list. Its values are texts. */
@Described()
export class PagingQuery extends RequestBody {
  @Field('Most items of the page', {
    ...{ type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE, pattern: undefined },
  })
  @Optional()
  @Matches(/^([1-9]\d?|1\d\d|200)$/, { message: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` })
  limit?: string;

  get size(): number {
    return Number(this.limit ?? DEFAULT_PAGE_SIZE);
  }
}

@Described()
export class ListQuery<State = DirectoryState> extends PagingQuery {
  @Optional()
  @IsNameOf('`nextCursor` of the page before. Absent: the first page')
  cursor?: string;
  @Field('Only items in this state')
  @Optional()
  @IsIn(DIRECTORY_STATES, { message: `must be ${DIRECTORY_STATES.join(' or ')}` })
  state?: State;

  /** The fields of the command. */
  page(): { limit: number; cursor?: string; state?: State } {
    const { size, cursor, state } = this;
    return { limit: size, ...(cursor !== undefined && { cursor }), ...(state !== undefined && { state }) };
  }
}

@Described()
export class TenantListQuery extends ListQuery<TenantLifeState> {
  @Field('Only tenants in this state')
  @Optional()
  @IsIn(TENANT_STATES, { message: `must be ${TENANT_STATES.join(' or ')}` })
  declare state?: TenantLifeState;
}

/** What tenants and agents have in common. */
class DirectoryResource {
  @ApiProperty({ description: 'Name that operators read.' }) name!: string;
  @ApiProperty({ allOf: [POLICY_CHANGE], description: 'The policy of this level, as written.' })
  policy!: Record<string, unknown>;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
}

export class TenantState extends DirectoryResource {
  @ApiProperty({
    type: 'string',
    enum: TENANT_STATES,
    description:
      '`deleting`: its subjects, overrides and webhooks are being erased; afterwards the tenant does not exist.',
  })
  state!: TenantLifeState;
  @ApiProperty() tenant!: string;
}

export class AgentState extends DirectoryResource {
  @ApiProperty({ type: 'string', enum: DIRECTORY_STATES }) state!: DirectoryState;
  @ApiProperty() tenant!: string;
  @ApiProperty() agent!: string;
}

export const NEXT_CURSOR = {
  type: 'string',
  nullable: true,
  description: 'The cursor of the next page. Null: no further page.',
} as const;

export class TenantPage {
  @ApiProperty({ type: [TenantState] }) items!: TenantState[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}

export class AgentPage {
  @ApiProperty({ type: [AgentState] }) items!: AgentState[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}

export class NewSecrets {
  @ApiProperty({ readOnly: true, description: 'Password of Basic authentication at the SWAIG adapter. Shown once.' })
  password!: string;
  @ApiProperty({ readOnly: true, description: 'API key, sent as `Authorization: Bearer <key>`. Shown once.' })
  apiKey!: string;
}

export class NewAgent extends NewSecrets {
  @ApiProperty() agent!: string;
  @ApiProperty({ description: 'User name of Basic authentication at the SWAIG adapter.' }) username!: string;
}
