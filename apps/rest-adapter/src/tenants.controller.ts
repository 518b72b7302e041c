import { Body, Controller, HttpCode, Param, Post, Put, Res } from '@nestjs/common';
import {
  AgentCreateRequested,
  AgentPolicyChangeRequested,
  AgentRotateRequested,
  message,
  NAME_PATTERN,
  TenantChangeRequested,
} from '@countersign/contracts';
import { type FastifyReply } from 'fastify';
import { createAgentSecrets } from './agent-secrets.js';
import { Requires } from './authenticate.js';
import { AgentBody, NAME_RULE, RotateBody, TenantBody } from './bodies.js';
import { Manage } from './manage.js';
import { policyRules } from './policy-rules.js';
import { invalid, readBody, readName } from './read-body.js';

/** Tenants and their agents. */
@Controller('v1/tenants/:tenant')
export class TenantsController {
  constructor(private readonly manage: Manage) {}

  @Put()
  @Requires('manage')
  async putTenant(
    @Param('tenant') tenantName: string,
    @Body() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Record<string, unknown>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const { name, policy } = readBody(TenantBody, raw);
    const commandId = this.manage.commandId();
    const { created, state } = await this.manage.execute(
      message(TenantChangeRequested, { commandId, tenant, name, ...(policy === undefined ? {} : { policy }) }),
    );
    void reply.code(created ? 201 : 200);
    return state;
  }

  @Post('agents')
  @HttpCode(201)
  @Requires('manage')
  async createAgent(@Param('tenant') tenantName: string, @Body() raw: unknown): Promise<Record<string, string>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const { agent, name, policy } = readBody(AgentBody, raw);
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    await this.manage.execute(
      message(AgentCreateRequested, {
        commandId: this.manage.commandId(),
        tenant,
        agent,
        ...(name === undefined ? {} : { name }),
        ...(policy === undefined ? {} : { policy }),
        passwordHash,
        apiKeyHash,
      }),
    );
    return { agent, username: agent, password, apiKey };
  }

  @Put('agents/:agent/policy')
  @Requires('manage')
  async putPolicy(
    @Param('tenant') tenantName: string,
    @Param('agent') agentName: string,
    @Body() raw: unknown,
  ): Promise<Record<string, unknown>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const agent = readName('agent', agentName, NAME_PATTERN, NAME_RULE);
    const violations = policyRules(raw);
    if (violations.length > 0) throw invalid(violations);
    const policy = raw as Record<string, unknown>;
    const commandId = this.manage.commandId();
    const { state } = await this.manage.execute(
      message(AgentPolicyChangeRequested, { commandId, tenant, agent, policy }),
    );
    return state;
  }

  @Post('agents/:agent/rotate')
  @HttpCode(200)
  @Requires('manage')
  async rotate(
    @Param('tenant') tenantName: string,
    @Param('agent') agentName: string,
    @Body() raw: unknown,
  ): Promise<Record<string, string>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const agent = readName('agent', agentName, NAME_PATTERN, NAME_RULE);
    const { graceSeconds } = readBody(RotateBody, raw === undefined ? {} : raw);
    const { password, apiKey, passwordHash, apiKeyHash } = createAgentSecrets();
    const commandId = this.manage.commandId();
    await this.manage.execute(
      message(AgentRotateRequested, { commandId, tenant, agent, passwordHash, apiKeyHash, graceSeconds }),
    );
    return { password, apiKey };
  }
}
