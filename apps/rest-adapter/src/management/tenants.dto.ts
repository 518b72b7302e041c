import { type Violation } from '@countersign/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IsNameOf, IsText, Optional } from '../http/fields.js';
import { RequestBody } from '../http/request.pipe.js';
import { Described, Field } from '../openapi/described.js';
import { policyRules } from './policy-rules.js';
import { POLICY_CHANGE, POLICY_PATCH } from './policy.schemas.js';

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

  @Field('How long the old secrets stay valid. Default: 86400')
  @Optional()
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  @Max(604_800, { message: 'must be at most 604800' })
  graceSeconds: number = 86_400;
}

/** The state of a tenant or an agent after a change. */
export class ResourceState {
  [field: string]: unknown;
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
