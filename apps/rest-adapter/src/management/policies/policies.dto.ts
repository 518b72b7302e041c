import { type Violation } from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { EFFECTIVE_POLICY, POLICY_SOURCES } from './policy.schemas.js';

/** The effective policy of a tenant or an agent. */
export class PolicyState {
  @ApiProperty() tenant!: string;
  @ApiPropertyOptional({ description: 'Absent: the policy of the tenant itself.' }) agent?: string;
  @ApiProperty({ allOf: [EFFECTIVE_POLICY], description: 'The value of every field that has one.' })
  policy!: Record<string, unknown>;
  @ApiProperty({
    allOf: [POLICY_SOURCES],
    description:
      'The level that each value comes from, in the form of `policy`. An agent inherits from its tenant, a tenant from the installation, and that from the defaults.',
  })
  sources!: Record<string, unknown>;
  @ApiPropertyOptional({
    type: 'array',
    items: { $ref: getSchemaPath('Violation') },
    description: 'Only if the stored policy has become invalid: the rules that it breaks. No agent uses such a policy.',
  })
  violations?: Violation[];
}
