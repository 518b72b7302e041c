import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { Requires, TenantPath, Problems } from '@countersign/api';
import { LimitResetRequested, LimitStateRequested, message } from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { limitTarget } from './limit-targets.js';
import { LimitsState, ResetBody } from './limits.dto.js';
import { Manage, Origin, type CommandOrigin, type ManagementResult } from '../manage.js';

/** The limits of a tenant that are in force, and their counters. */
@ApiTags('limits')
@Controller('v1/tenants/:tenant/limits')
export class LimitsController {
  constructor(
    private readonly manage: Manage,
    private readonly hash: KeyedHash,
  ) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read the limits in force, the overrides, and the remaining quota of the tenant' })
  @ApiOkResponse({ type: LimitsState, description: 'The limits of the tenant.' })
  @Problems('unavailable')
  async getLimits(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
  ): Promise<ManagementResult['state']> {
    return (await this.manage.execute(message(LimitStateRequested, { ...origin, tenant }))).state;
  }

  @Post('reset')
  @HttpCode(204)
  @Requires('manage:operate')
  @ApiOperation({ summary: 'Reset the counters of one caller, call, subject, agent or tenant' })
  @ApiNoContentResponse({ description: 'The counters are empty.' })
  @Problems('unavailable')
  async resetLimit(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() body: ResetBody,
  ): Promise<void> {
    const of = limitTarget(this.hash, tenant, body);
    const { reason } = body;
    await this.manage.execute(message(LimitResetRequested, { ...origin, tenant, of, reason }));
  }
}
