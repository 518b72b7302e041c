import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query } from '@nestjs/common';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentListRequested,
  AgentRequested,
  AgentRotateRequested,
  AgentStateChangeRequested,
  message,
  type DirectoryState,
} from '@countersign/contracts';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Requires } from '../http/authenticate.js';
import { AgentPath, TenantPath } from '../http/fields.js';
import { Problems } from '../http/problems.js';
import { createAgentSecrets } from './agent-secrets.js';
import { defined, Manage } from './manage.js';
import { PolicyPipe } from './policy-rules.js';
import { POLICY_CHANGE, POLICY_PATCH } from './policy.schemas.js';
import {
  AgentBody,
  AgentPage,
  AgentState,
  ListQuery,
  NameAndPolicyPatchBody,
  NewAgent,
  NewSecrets,
  RotateBody,
} from './tenants.dto.js';

/** The agents of a tenant. */
@Controller('v1/tenants/:tenant/agents')
@ApiTags('agents')
export class AgentsController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage')
  @ApiOperation({ summary: 'List the agents of a tenant, in the order of their names' })
  @ApiOkResponse({ type: AgentPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listAgents(@Param() { tenant }: TenantPath, @Query() query: ListQuery): Promise<AgentPage> {
    const commandId = this.manage.commandId();
    return this.manage.read<AgentPage>(message(AgentListRequested, { commandId, tenant, ...query.page() }));
  }

  @Get(':agent')
  @Requires('manage')
  @ApiOperation({ summary: 'Read an agent, without its secrets' })
  @ApiOkResponse({ type: AgentState, description: 'The agent.' })
  @Problems('unavailable')
  readAgent(@Param() { tenant, agent }: AgentPath): Promise<AgentState> {
    return this.manage.read<AgentState>(message(AgentRequested, { commandId: this.manage.commandId(), tenant, agent }));
  }

  @Post(':agent/disable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Disable an agent: its password and API key are refused until it is enabled' })
  @ApiOkResponse({ type: AgentState, description: 'The agent is disabled.' })
  @Problems('unavailable')
  disableAgent(@Param() path: AgentPath): Promise<AgentState> {
    return this.#setState(path, 'disabled');
  }

  @Post(':agent/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable an agent' })
  @ApiOkResponse({ type: AgentState, description: 'The agent is enabled.' })
  @Problems('unavailable')
  enableAgent(@Param() path: AgentPath): Promise<AgentState> {
    return this.#setState(path, 'enabled');
  }

  @Delete(':agent')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Delete an agent' })
  @ApiNoContentResponse({ description: 'The agent was deleted.' })
  @Problems('unavailable')
  async deleteAgent(@Param() { tenant, agent }: AgentPath): Promise<void> {
    const commandId = this.manage.commandId();
    await this.manage.execute(message(AgentDeleteRequested, { commandId, tenant, agent }));
  }

  @Post()
  @HttpCode(201)
  @Requires('manage')
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

  @Patch(':agent')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the name or fields of the policy of an agent; null clears a field' })
  @ApiOkResponse({ type: AgentState, description: 'The agent was changed.' })
  @Problems('unavailable')
  patchAgent(@Param() path: AgentPath, @Body() { name, policy }: NameAndPolicyPatchBody): Promise<AgentState> {
    return this.#changeAgent(path, { mode: 'merge', ...defined({ name, policy }) });
  }

  @Put(':agent/policy')
  @Requires('manage')
  @ApiOperation({ summary: 'Set fields of the policy of an agent; fields that are not sent are kept' })
  @ApiBody({ schema: POLICY_CHANGE })
  @ApiOkResponse({ type: AgentState, description: 'The policy was changed.' })
  @Problems('unavailable')
  putAgentPolicy(@Param() path: AgentPath, @Body(PolicyPipe) policy: Record<string, unknown>): Promise<AgentState> {
    return this.#changeAgent(path, { mode: 'set', policy });
  }

  @Patch(':agent/policy')
  @Requires('manage')
  @ApiOperation({
    summary: 'Change fields of the policy of an agent, at any depth; null clears a field, which is inherited again',
  })
  @ApiBody({ schema: POLICY_PATCH })
  @ApiOkResponse({ type: AgentState, description: 'The policy was changed.' })
  @Problems('unavailable')
  patchAgentPolicy(@Param() path: AgentPath, @Body(PolicyPipe) policy: Record<string, unknown>): Promise<AgentState> {
    return this.#changeAgent(path, { mode: 'merge', policy });
  }

  @Post(':agent/rotate')
  @HttpCode(200)
  @Requires('manage')
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

  #changeAgent(
    { tenant, agent }: AgentPath,
    change: Pick<AgentChangeRequested, 'mode' | 'name' | 'policy'>,
  ): Promise<AgentState> {
    const commandId = this.manage.commandId();
    return this.manage.read<AgentState>(message(AgentChangeRequested, { commandId, tenant, agent, ...change }));
  }

  #setState({ tenant, agent }: AgentPath, state: DirectoryState): Promise<AgentState> {
    const commandId = this.manage.commandId();
    return this.manage.read<AgentState>(message(AgentStateChangeRequested, { commandId, tenant, agent, state }));
  }
}
