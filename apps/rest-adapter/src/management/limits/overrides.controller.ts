import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Requires, TenantPath, Problems } from '@countersign/api';
import {
  LimitOverrideDeleteRequested,
  LimitOverrideListRequested,
  LimitOverrideReadRequested,
  LimitOverrideRequested,
  message,
} from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuid } from 'uuid';
import { limitTarget, targetFilter } from './limit-targets.js';
import { Manage, Origin, withReason, type CommandOrigin } from '../manage.js';
import { ReasonQuery } from '../tenants/tenants.dto.js';
import { OverrideBody, OverridePage, OverridePath, OverrideQuery, OverrideState } from './overrides.dto.js';

/** The overrides of limits that apply in place of the policy. */
@ApiTags('limits')
@Controller('v1/tenants/:tenant/overrides')
export class OverridesController {
  constructor(
    private readonly manage: Manage,
    private readonly hash: KeyedHash,
  ) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the overrides of limits that have not ended, in the order of their creation' })
  @ApiOkResponse({ type: OverridePage, description: 'One page of the list.' })
  @Problems('unavailable')
  listOverrides(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: OverrideQuery,
  ): Promise<OverridePage> {
    const { dimension } = query;
    const { dimensions, targets } = targetFilter(this.hash, tenant, query) ?? {};
    const selected = dimension === undefined ? dimensions : [dimension];
    const filters = { ...(selected && { dimensions: selected }), ...(targets && { targets }) };
    const command = message(LimitOverrideListRequested, { ...origin, tenant, ...query.page(), ...filters });
    return this.manage.read<OverridePage>(command);
  }

  @Get(':override')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read an override of a limit' })
  @ApiOkResponse({ type: OverrideState, description: 'The override.' })
  @Problems('unavailable')
  readOverride(@Origin() origin: CommandOrigin, @Param() { tenant, override }: OverridePath): Promise<OverrideState> {
    const command = message(LimitOverrideReadRequested, { ...origin, tenant, overrideId: override });
    return this.manage.read<OverrideState>(command);
  }

  @Post()
  @HttpCode(201)
  @Requires('manage:operate')
  @ApiOperation({
    summary:
      'Override a limit of the policy until a given time, for one target or a whole dimension; an override of the same target is replaced',
  })
  @ApiCreatedResponse({ type: OverrideState, description: 'The override is in force.' })
  @Problems('unavailable')
  createOverride(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() body: OverrideBody,
  ): Promise<OverrideState> {
    const { limit, periodSeconds, shadow, reason, endsAt: expiresAt } = body;
    const command = message(LimitOverrideRequested, {
      ...origin,
      ...{ tenant, overrideId: uuid(), of: limitTarget(this.hash, tenant, body) },
      limit: { limit, periodSeconds, ...(shadow !== undefined && { shadow }) },
      ...{ reason, expiresAt },
    });
    return this.manage.read<OverrideState>(command);
  }

  @Delete(':override')
  @HttpCode(204)
  @Requires('manage:operate')
  @ApiOperation({ summary: 'Delete an override: the limit of the policy applies again' })
  @ApiNoContentResponse({ description: 'The override was deleted.' })
  @Problems('unavailable')
  async deleteOverride(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, override }: OverridePath,
    @Query() query: ReasonQuery,
  ): Promise<void> {
    const fields = { ...withReason(origin, query), tenant, overrideId: override };
    await this.manage.execute(message(LimitOverrideDeleteRequested, fields));
  }
}
