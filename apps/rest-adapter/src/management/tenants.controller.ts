import { Body, Controller, HttpCode, Param, Patch, Post, Put, Res } from '@nestjs/common';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentRotateRequested,
  message,
  NAME_PATTERN,
  TenantChangeRequested,
} from '@countersign/contracts';
import { type FastifyReply } from 'fastify';
import { createAgentSecrets } from './agent-secrets.js';
import { Requires } from '../http/authenticate.js';
import { AgentBody, NAME_RULE, NameAndPolicyPatchBody, RotateBody, TenantBody } from './bodies.js';
import { Manage } from './manage.js';
import { policyRules } from './policy-rules.js';
import { invalid, readBody, readName } from '../http/read-body.js';

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
      message(TenantChangeRequested, { commandId, tenant, mode: 'set', name, ...sent({ policy }) }),
    );
    void reply.code(created ? 201 : 200);
    return state;
  }

  /** RFC 7396: null clears a field of the policy, or all of it. */
  @Patch()
  @Requires('manage')
  async patchTenant(@Param('tenant') tenantName: string, @Body() raw: unknown): Promise<Record<string, unknown>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const { name, policy } = readBody(NameAndPolicyPatchBody, raw);
    const commandId = this.manage.commandId();
    const command = { commandId, tenant, mode: 'merge', ...sent({ name, policy }) } as const;
    return (await this.manage.execute(message(TenantChangeRequested, command))).state;
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
        ...sent({ name, policy }),
        passwordHash,
        apiKeyHash,
      }),
    );
    return { agent, username: agent, password, apiKey };
  }

  /** RFC 7396: null clears a field of the policy, or all of it. */
  @Patch('agents/:agent')
  @Requires('manage')
  patchAgent(
    @Param('tenant') tenantName: string,
    @Param('agent') agentName: string,
    @Body() raw: unknown,
  ): Promise<Record<string, unknown>> {
    const { name, policy } = readBody(NameAndPolicyPatchBody, raw);
    return this.#changeAgent(tenantName, agentName, { mode: 'merge', ...sent({ name, policy }) });
  }

  /** Sets the fields that are sent, and leaves the others. */
  @Put('agents/:agent/policy')
  @Requires('manage')
  putPolicy(
    @Param('tenant') tenantName: string,
    @Param('agent') agentName: string,
    @Body() raw: unknown,
  ): Promise<Record<string, unknown>> {
    return this.#changeAgent(tenantName, agentName, { mode: 'set', policy: readPolicy(raw) });
  }

  /** RFC 7396: null clears a field, at every depth. */
  @Patch('agents/:agent/policy')
  @Requires('manage')
  patchPolicy(
    @Param('tenant') tenantName: string,
    @Param('agent') agentName: string,
    @Body() raw: unknown,
  ): Promise<Record<string, unknown>> {
    return this.#changeAgent(tenantName, agentName, { mode: 'merge', policy: readPolicy(raw) });
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

  async #changeAgent(
    tenantName: string,
    agentName: string,
    change: Pick<AgentChangeRequested, 'mode' | 'name' | 'policy'>,
  ): Promise<Record<string, unknown>> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const agent = readName('agent', agentName, NAME_PATTERN, NAME_RULE);
    const commandId = this.manage.commandId();
    return (await this.manage.execute(message(AgentChangeRequested, { commandId, tenant, agent, ...change }))).state;
  }
}

/** @throws Problem invalid-request */
function readPolicy(raw: unknown): Record<string, unknown> {
  const violations = policyRules(raw);
  if (violations.length > 0) throw invalid(violations);
  return raw as Record<string, unknown>;
}

/** The fields that have a value. */
function sent<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
