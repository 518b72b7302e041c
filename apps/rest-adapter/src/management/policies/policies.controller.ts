import { Body, Controller, Get, Param, Patch, Put } from '@nestjs/common';
import { Requires, AgentPath, TenantPath, Problems } from '@countersign/api';
import { message, PolicyChangeRequested, PolicyRequested, type ChangeMode } from '@countersign/contracts';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Conditions, HasEntityTag, type Conditional } from '../../http/entity-tags.js';
import { Manage, Origin, type CommandOrigin } from '../manage.js';
import { PolicyState } from './policies.dto.js';
import { PolicyPipe } from './policy-rules.js';
import { POLICY_CHANGE, POLICY_PATCH } from './policy.schemas.js';

type SentPolicy = Record<string, unknown>;

/** The policies of tenants and agents. */
@Controller('v1/tenants/:tenant')
@ApiTags('policies')
export class PoliciesController {
  constructor(private readonly manage: Manage) {}

  @Get('policy')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read the effective policy of a tenant, with the level that each value comes from' })
  @ApiOkResponse({ type: PolicyState, description: 'The policy of the tenant.' })
  @Problems('unavailable')
  @HasEntityTag()
  readTenantPolicy(@Origin() origin: CommandOrigin, @Param() { tenant }: TenantPath): Promise<PolicyState> {
    return this.manage.read<PolicyState>(message(PolicyRequested, { ...origin, tenant }));
  }

  @Put('policy')
  @Requires('manage')
  @ApiOperation({ summary: 'Set fields of the policy of a tenant; fields that are not sent are kept' })
  @ApiBody({ schema: POLICY_CHANGE })
  @ApiOkResponse({ type: PolicyState, description: 'The effective policy after the change.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  putTenantPolicy(
    @Origin() origin: CommandOrigin,
    @Param() path: TenantPath,
    @Body(PolicyPipe) policy: SentPolicy,
    @Conditions() conditions: Conditional,
  ): Promise<PolicyState> {
    return this.#change(origin, path, 'set', policy, conditions);
  }

  @Patch('policy')
  @Requires('manage')
  @ApiOperation({
    summary: 'Change fields of the policy of a tenant, at any depth; null clears a field, which is inherited again',
  })
  @ApiBody({ schema: POLICY_PATCH })
  @ApiOkResponse({ type: PolicyState, description: 'The effective policy after the change.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  patchTenantPolicy(
    @Origin() origin: CommandOrigin,
    @Param() path: TenantPath,
    @Body(PolicyPipe) policy: SentPolicy,
    @Conditions() conditions: Conditional,
  ): Promise<PolicyState> {
    return this.#change(origin, path, 'merge', policy, conditions);
  }

  @Get('agents/:agent/policy')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read the effective policy of an agent, with the level that each value comes from' })
  @ApiOkResponse({ type: PolicyState, description: 'The policy of the agent.' })
  @Problems('unavailable')
  @HasEntityTag()
  readAgentPolicy(@Origin() origin: CommandOrigin, @Param() { tenant, agent }: AgentPath): Promise<PolicyState> {
    return this.manage.read<PolicyState>(message(PolicyRequested, { ...origin, tenant, agent }));
  }

  @Put('agents/:agent/policy')
  @Requires('manage')
  @ApiOperation({ summary: 'Set fields of the policy of an agent; fields that are not sent are kept' })
  @ApiBody({ schema: POLICY_CHANGE })
  @ApiOkResponse({ type: PolicyState, description: 'The effective policy after the change.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  putAgentPolicy(
    @Origin() origin: CommandOrigin,
    @Param() path: AgentPath,
    @Body(PolicyPipe) policy: SentPolicy,
    @Conditions() conditions: Conditional,
  ): Promise<PolicyState> {
    return this.#change(origin, path, 'set', policy, conditions);
  }

  @Patch('agents/:agent/policy')
  @Requires('manage')
  @ApiOperation({
    summary: 'Change fields of the policy of an agent, at any depth; null clears a field, which is inherited again',
  })
  @ApiBody({ schema: POLICY_PATCH })
  @ApiOkResponse({ type: PolicyState, description: 'The effective policy after the change.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  patchAgentPolicy(
    @Origin() origin: CommandOrigin,
    @Param() path: AgentPath,
    @Body(PolicyPipe) policy: SentPolicy,
    @Conditions() conditions: Conditional,
  ): Promise<PolicyState> {
    return this.#change(origin, path, 'merge', policy, conditions);
  }

  #change(
    origin: CommandOrigin,
    path: TenantPath | AgentPath,
    mode: ChangeMode,
    policy: SentPolicy,
    conditions: Conditional,
  ): Promise<PolicyState> {
    const command = { ...origin, ...path, mode, policy, ...conditions };
    return this.manage.read<PolicyState>(message(PolicyChangeRequested, command));
  }
}
