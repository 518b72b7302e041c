import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { Requires, AgentPath, TenantPath, Problems } from '@countersign/api';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentListRequested,
  AgentRequested,
  AgentRotateRequested,
  AgentStateChangeRequested,
  message,
} from '@countersign/contracts';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Conditions, etagOf, HasEntityTag, type Conditional } from '../../http/entity-tags.js';
import { createAgentSecrets } from './agent-secrets.js';
import { defined, Manage, Origin, withReason, type CommandOrigin } from '../manage.js';
import {
  AgentBody,
  AgentPage,
  AgentState,
  DisableBody,
  ListQuery,
  NameAndPolicyPatchBody,
  NewAgent,
  NewSecrets,
  ReasonQuery,
  RotateBody,
} from '../tenants/tenants.dto.js';

/** The agents of a tenant. */
@Controller('v1/tenants/:tenant/agents')
@ApiTags('agents')
export class AgentsController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the agents of a tenant, in the order of their names' })
  @ApiOkResponse({ type: AgentPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listAgents(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: ListQuery,
  ): Promise<AgentPage> {
    return this.manage.read<AgentPage>(message(AgentListRequested, { ...origin, tenant, ...query.page() }));
  }

  @Get(':agent')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read an agent, without its secrets' })
  @ApiOkResponse({ type: AgentState, description: 'The agent.' })
  @Problems('unavailable')
  @HasEntityTag()
  readAgent(@Origin() origin: CommandOrigin, @Param() { tenant, agent }: AgentPath): Promise<AgentState> {
    return this.manage.read<AgentState>(message(AgentRequested, { ...origin, tenant, agent }));
  }

  @Post(':agent/disable')
  @HttpCode(200)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Disable an agent: its password and API key are refused until it is enabled' })
  @ApiBody({ type: DisableBody, required: false })
  @ApiOkResponse({ type: AgentState, description: 'The agent is disabled.' })
  @Problems('tenant-deleting', 'unavailable')
  @HasEntityTag()
  disableAgent(
    @Origin() origin: CommandOrigin,
    @Param() path: AgentPath,
    @Body() { reason }: DisableBody,
  ): Promise<AgentState> {
    return this.#setState(origin, path, { state: 'disabled', ...defined({ reason }) });
  }

  @Post(':agent/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable an agent' })
  @ApiOkResponse({ type: AgentState, description: 'The agent is enabled.' })
  @Problems('tenant-deleting', 'unavailable')
  @HasEntityTag()
  enableAgent(@Origin() origin: CommandOrigin, @Param() path: AgentPath): Promise<AgentState> {
    return this.#setState(origin, path, { state: 'enabled' });
  }

  @Delete(':agent')
  @HttpCode(204)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Delete an agent' })
  @ApiNoContentResponse({ description: 'The agent was deleted.' })
  @Problems('tenant-deleting', 'unavailable')
  @HasEntityTag()
  async deleteAgent(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, agent }: AgentPath,
    @Query() query: ReasonQuery,
    @Conditions() conditions: Conditional,
  ): Promise<void> {
    const fields = { ...withReason(origin, query), tenant, agent, ...conditions };
    await this.manage.execute(message(AgentDeleteRequested, fields));
  }

  @Post()
  @HttpCode(201)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Create an agent; its secrets are shown once' })
  @ApiCreatedResponse({ type: NewAgent, description: 'The agent was created.' })
  @Problems('conflict', 'tenant-deleting', 'unavailable')
  async createAgent(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() { agent, name, policy }: AgentBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NewAgent> {
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    const fields = { ...origin, tenant, agent, ...defined({ name, policy }), passwordHash, apiKeyHash };
    const { state } = await this.manage.execute(message(AgentCreateRequested, fields));
    void reply.header('etag', etagOf(state));
    return { agent, username: agent, password, apiKey };
  }

  @Patch(':agent')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the name or fields of the policy of an agent; null clears a field' })
  @ApiOkResponse({ type: AgentState, description: 'The agent was changed.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  patchAgent(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, agent }: AgentPath,
    @Body() { name, policy }: NameAndPolicyPatchBody,
    @Conditions() conditions: Conditional,
  ): Promise<AgentState> {
    const change = { mode: 'merge', ...defined({ name, policy }), ...conditions } as const;
    return this.manage.read<AgentState>(message(AgentChangeRequested, { ...origin, tenant, agent, ...change }));
  }

  @Post(':agent/rotate')
  @HttpCode(200)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Rotate the secrets of an agent; the old ones stay valid for a grace period' })
  @ApiBody({ type: RotateBody, required: false })
  @ApiOkResponse({ type: NewSecrets, description: 'The new secrets.' })
  @Problems('tenant-deleting', 'unavailable')
  async rotateAgent(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, agent }: AgentPath,
    @Body() { graceSeconds }: RotateBody,
  ): Promise<NewSecrets> {
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    await this.manage.execute(
      message(AgentRotateRequested, { ...origin, tenant, agent, passwordHash, apiKeyHash, graceSeconds }),
    );
    return { password, apiKey };
  }

  #setState(
    origin: CommandOrigin,
    { tenant, agent }: AgentPath,
    change: Pick<AgentStateChangeRequested, 'state' | 'reason'>,
  ): Promise<AgentState> {
    return this.manage.read<AgentState>(message(AgentStateChangeRequested, { ...origin, tenant, agent, ...change }));
  }
}
