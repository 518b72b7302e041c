import { Body, Controller, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import {
  message,
  TenantChangeRequested,
  TenantListRequested,
  TenantRequested,
  TenantStateChangeRequested,
  type DirectoryState,
} from '@countersign/contracts';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Requires } from '../http/authenticate.js';
import { TenantPath } from '../http/fields.js';
import { Problems } from '../http/problems.js';
import { defined, Manage } from './manage.js';
import { ListQuery, NameAndPolicyPatchBody, TenantBody, TenantPage, TenantState } from './tenants.dto.js';

/** Tenants. */
@Controller('v1/tenants')
@ApiTags('tenants')
export class TenantsController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage')
  @ApiOperation({ summary: 'List the tenants, in the order of their names' })
  @ApiOkResponse({ type: TenantPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listTenants(@Query() query: ListQuery): Promise<TenantPage> {
    const commandId = this.manage.commandId();
    return this.manage.read<TenantPage>(message(TenantListRequested, { commandId, ...query.page() }));
  }

  @Get(':tenant')
  @Requires('manage')
  @ApiOperation({ summary: 'Read a tenant' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant.' })
  @Problems('unavailable')
  readTenant(@Param() { tenant }: TenantPath): Promise<TenantState> {
    return this.manage.read<TenantState>(message(TenantRequested, { commandId: this.manage.commandId(), tenant }));
  }

  @Post(':tenant/disable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({
    summary: 'Disable a tenant: the keys and passwords of all its agents are refused until it is enabled',
  })
  @ApiOkResponse({ type: TenantState, description: 'The tenant is disabled.' })
  @Problems('unavailable')
  disableTenant(@Param() path: TenantPath): Promise<TenantState> {
    return this.#setState(path, 'disabled');
  }

  @Post(':tenant/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable a tenant; agents that are disabled themselves stay disabled' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant is enabled.' })
  @Problems('unavailable')
  enableTenant(@Param() path: TenantPath): Promise<TenantState> {
    return this.#setState(path, 'enabled');
  }

  @Put(':tenant')
  @Requires('manage')
  @ApiOperation({
    summary: 'Create a tenant, or set its name and fields of its policy; fields that are not sent are kept',
  })
  @ApiOkResponse({ type: TenantState, description: 'The tenant was changed.' })
  @ApiCreatedResponse({ type: TenantState, description: 'The tenant was created.' })
  @Problems('unavailable')
  async putTenant(
    @Param() { tenant }: TenantPath,
    @Body() { name, policy }: TenantBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TenantState> {
    const commandId = this.manage.commandId();
    const { created, state } = await this.manage.execute(
      message(TenantChangeRequested, { commandId, tenant, mode: 'set', name, ...defined({ policy }) }),
    );
    void reply.code(created ? 201 : 200);
    return state as TenantState & typeof state;
  }

  @Patch(':tenant')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the name or fields of the policy of a tenant; null clears a field' })
  @ApiOkResponse({ type: TenantState, description: 'The tenant was changed.' })
  @Problems('unavailable')
  patchTenant(@Param() { tenant }: TenantPath, @Body() { name, policy }: NameAndPolicyPatchBody): Promise<TenantState> {
    const commandId = this.manage.commandId();
    const command = { commandId, tenant, mode: 'merge', ...defined({ name, policy }) } as const;
    return this.manage.read<TenantState>(message(TenantChangeRequested, command));
  }

  #setState({ tenant }: TenantPath, state: DirectoryState): Promise<TenantState> {
    const commandId = this.manage.commandId();
    return this.manage.read<TenantState>(message(TenantStateChangeRequested, { commandId, tenant, state }));
  }
}
