import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Req, Res } from '@nestjs/common';
import { Problems, Requires, TenantPath, tenantsWith, type ClientRequest } from '@countersign/api';
import {
  message,
  TenantChangeRequested,
  TenantDeleteRequested,
  TenantListRequested,
  TenantRequested,
  TenantStateChangeRequested,
} from '@countersign/contracts';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Conditions, HasEntityTag, type Conditional } from '../../http/entity-tags.js';
import { defined, Manage, Origin, withReason, type CommandOrigin } from '../manage.js';
import {
  DisableBody,
  NameAndPolicyPatchBody,
  ReasonQuery,
  TenantBody,
  TenantListQuery,
  TenantPage,
  TenantState,
} from './tenants.dto.js';

/** Tenants. */
@Controller('v1/tenants')
@ApiTags('tenants')
export class TenantsController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the tenants, in the order of their names' })
  @ApiOkResponse({ type: TenantPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listTenants(
    @Origin() origin: CommandOrigin,
    @Query() query: TenantListQuery,
    @Req() { client }: ClientRequest,
  ): Promise<TenantPage> {
    const tenants = client?.operator && tenantsWith(client.operator, 'manage:read');
    const command = { ...origin, ...query.page(), ...(tenants && { tenants: [...tenants] }) };
    return this.manage.read<TenantPage>(message(TenantListRequested, command));
  }

  @Get(':tenant')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read a tenant' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant.' })
  @Problems('unavailable')
  @HasEntityTag()
  readTenant(@Origin() origin: CommandOrigin, @Param() { tenant }: TenantPath): Promise<TenantState> {
    return this.manage.read<TenantState>(message(TenantRequested, { ...origin, tenant }));
  }

  @Post(':tenant/disable')
  @HttpCode(200)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({
    summary: 'Disable a tenant: the keys and passwords of all its agents are refused until it is enabled',
  })
  @ApiBody({ type: DisableBody, required: false })
  @ApiOkResponse({ type: TenantState, description: 'The tenant is disabled.' })
  @Problems('tenant-deleting', 'unavailable')
  @HasEntityTag()
  disableTenant(
    @Origin() origin: CommandOrigin,
    @Param() path: TenantPath,
    @Body() { reason }: DisableBody,
  ): Promise<TenantState> {
    return this.#setState(origin, path, { state: 'disabled', ...defined({ reason }) });
  }

  @Post(':tenant/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable a tenant; agents that are disabled themselves stay disabled' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant is enabled.' })
  @Problems('tenant-deleting', 'unavailable')
  @HasEntityTag()
  enableTenant(@Origin() origin: CommandOrigin, @Param() path: TenantPath): Promise<TenantState> {
    return this.#setState(origin, path, { state: 'enabled' });
  }

  @Put(':tenant')
  @Requires('manage')
  @ApiOperation({
    summary: 'Create a tenant, or set its name and fields of its policy; fields that are not sent are kept',
  })
  @ApiOkResponse({ type: TenantState, description: 'The tenant was changed.' })
  @ApiCreatedResponse({ type: TenantState, description: 'The tenant was created.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  async putTenant(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() { name, policy }: TenantBody,
    @Conditions() conditions: Conditional,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantState> {
    const { created, state } = await this.manage.execute(
      message(TenantChangeRequested, { ...origin, tenant, mode: 'set', name, ...defined({ policy }), ...conditions }),
    );
    void reply.code(created ? 201 : 200);
    return state as TenantState & typeof state;
  }

  @Patch(':tenant')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the name or fields of the policy of a tenant; null clears a field' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant was changed.' })
  @Problems('recent-sign-in-required', 'tenant-deleting', 'unavailable')
  @HasEntityTag()
  patchTenant(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() { name, policy }: NameAndPolicyPatchBody,
    @Conditions() conditions: Conditional,
  ): Promise<TenantState> {
    const command = { ...origin, tenant, mode: 'merge', ...defined({ name, policy }), ...conditions } as const;
    return this.manage.read<TenantState>(message(TenantChangeRequested, command));
  }

  @Delete(':tenant')
  @HttpCode(202)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({
    summary: 'Delete a disabled tenant with its agents, subjects, overrides and webhooks; audit events are kept',
    description: 'Read the tenant until the answer is 404: then everything is erased, and the id can be used again.',
  })
  @ApiAcceptedResponse({ type: TenantState, description: 'The deletion has begun and ends by itself.' })
  @Problems('not-disabled', 'unavailable')
  @HasEntityTag()
  deleteTenant(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: ReasonQuery,
    @Conditions() conditions: Conditional,
  ): Promise<TenantState> {
    const fields = { ...withReason(origin, query), tenant, ...conditions };
    return this.manage.read<TenantState>(message(TenantDeleteRequested, fields));
  }

  #setState(
    origin: CommandOrigin,
    { tenant }: TenantPath,
    change: Pick<TenantStateChangeRequested, 'state' | 'reason'>,
  ): Promise<TenantState> {
    return this.manage.read<TenantState>(message(TenantStateChangeRequested, { ...origin, tenant, ...change }));
  }
}
