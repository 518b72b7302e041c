import { Body, Controller, HttpCode, Param, Patch, Post, Put, Res } from '@nestjs/common';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentRotateRequested,
  message,
  TenantChangeRequested,
} from '@countersign/contracts';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Requires } from '../http/authenticate.js';
import { AgentPath, TenantPath } from '../http/fields.js';
import { Problems } from '../http/problems.js';
import { createAgentSecrets } from './agent-secrets.js';
import { Manage } from './manage.js';
import { PolicyPipe } from './policy-rules.js';
import { POLICY_CHANGE, POLICY_PATCH } from './policy.schemas.js';
import {
  AgentBody,
  NameAndPolicyPatchBody,
  NewAgent,
  NewSecrets,
  ResourceState,
  RotateBody,
  TenantBody,
} from './tenants.dto.js';

/** Tenants and their agents. */
@Controller('v1/tenants/:tenant')
export class TenantsController {
  constructor(private readonly manage: Manage) {}

  @Put()
  @Requires('manage')
  @ApiTags('tenants')
  @ApiOperation({
    summary: 'Create a tenant, or set its name and fields of its policy; fields that are not sent are kept',
  })
  @ApiOkResponse({ type: ResourceState, description: 'The tenant was changed.' })
  @ApiCreatedResponse({ type: ResourceState, description: 'The tenant was created.' })
  @Problems('unavailable')
  async putTenant(
    @Param() { tenant }: TenantPath,
    @Body() { name, policy }: TenantBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceState> {
    const commandId = this.manage.commandId();
    const { created, state } = await this.manage.execute(
      message(TenantChangeRequested, { commandId, tenant, mode: 'set', name, ...defined({ policy }) }),
    );
    void reply.code(created ? 201 : 200);
    return state;
  }

  @Patch()
  @Requires('manage')
  @ApiTags('tenants')
  @ApiOperation({ summary: 'Change the name or fields of the policy of a tenant; null clears a field' })
  @ApiOkResponse({ type: ResourceState, description: 'The tenant was changed.' })
  @Problems('unavailable')
  async patchTenant(
    @Param() { tenant }: TenantPath,
    @Body() { name, policy }: NameAndPolicyPatchBody,
  ): Promise<ResourceState> {
    const commandId = this.manage.commandId();
    const command = { commandId, tenant, mode: 'merge', ...defined({ name, policy }) } as const;
    return (await this.manage.execute(message(TenantChangeRequested, command))).state;
  }

  @Post('agents')
  @HttpCode(201)
  @Requires('manage')
  @ApiTags('agents')
  @ApiOperation({ summary: 'Create an agent; its secrets are shown once' })
  @ApiCreatedResponse({ type: NewAgent, description: 'The agent was created.' })
  @Problems('conflict', 'unavailable')
  async createAgent(@Param() { tenant }: TenantPath, @Body() { agent, name, policy }: AgentBody): Promise<NewAgent> {
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    const commandId = this.manage.commandId();
    const fields = { commandId, tenant, agent, ...defined({ name, policy }), passwordHash, apiKeyHash };
    await this.manage.execute(message(AgentCreateRequested, fields));
    return { agent, username: agent, password, apiKey };
  }

  @Patch('agents/:agent')
  @Requires('manage')
  @ApiTags('agents')
  @ApiOperation({ summary: 'Change the name or fields of the policy of an agent; null clears a field' })
  @ApiOkResponse({ type: ResourceState, description: 'The agent was changed.' })
  @Problems('unavailable')
  patchAgent(@Param() path: AgentPath, @Body() { name, policy }: NameAndPolicyPatchBody): Promise<ResourceState> {
    return this.#changeAgent(path, { mode: 'merge', ...defined({ name, policy }) });
  }

  @Put('agents/:agent/policy')
  @Requires('manage')
  @ApiTags('agents')
  @ApiOperation({ summary: 'Set fields of the policy of an agent; fields that are not sent are kept' })
  @ApiBody({ schema: POLICY_CHANGE })
  @ApiOkResponse({ type: ResourceState, description: 'The policy was changed.' })
  @Problems('unavailable')
  putAgentPolicy(@Param() path: AgentPath, @Body(PolicyPipe) policy: Record<string, unknown>): Promise<ResourceState> {
    return this.#changeAgent(path, { mode: 'set', policy });
  }

  @Patch('agents/:agent/policy')
  @Requires('manage')
  @ApiTags('agents')
  @ApiOperation({
    summary: 'Change fields of the policy of an agent, at any depth; null clears a field, which is inherited again',
  })
  @ApiBody({ schema: POLICY_PATCH })
  @ApiOkResponse({ type: ResourceState, description: 'The policy was changed.' })
  @Problems('unavailable')
  patchAgentPolicy(
    @Param() path: AgentPath,
    @Body(PolicyPipe) policy: Record<string, unknown>,
  ): Promise<ResourceState> {
    return this.#changeAgent(path, { mode: 'merge', policy });
  }

  @Post('agents/:agent/rotate')
  @HttpCode(200)
  @Requires('manage')
  @ApiTags('agents')
  @ApiOperation({ summary: 'Rotate the secrets of an agent; the old ones stay valid for a grace period' })
  @ApiBody({ type: RotateBody, required: false })
  @ApiOkResponse({ type: NewSecrets, description: 'The new secrets.' })
  @Problems('unavailable')
  async rotateAgent(@Param() { tenant, agent }: AgentPath, @Body() { graceSeconds }: RotateBody): Promise<NewSecrets> {
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    const commandId = this.manage.commandId();
    await this.manage.execute(
      message(AgentRotateRequested, { commandId, tenant, agent, passwordHash, apiKeyHash, graceSeconds }),
    );
    return { password, apiKey };
  }

  async #changeAgent(
    { tenant, agent }: AgentPath,
    change: Pick<AgentChangeRequested, 'mode' | 'name' | 'policy'>,
  ): Promise<ResourceState> {
    const commandId = this.manage.commandId();
    return (await this.manage.execute(message(AgentChangeRequested, { commandId, tenant, agent, ...change }))).state;
  }
}

/** The fields that have a value. */
function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
