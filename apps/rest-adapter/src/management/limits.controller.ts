import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  LimitOverrideRequested,
  LimitResetRequested,
  LimitStateRequested,
  limitTargetOf,
  message,
  type LimitTarget,
} from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires } from '../http/authenticate.js';
import { TenantPath } from '../http/fields.js';
import { Problems } from '../http/problems.js';
import { LimitOverrideState, LimitsState, OverrideBody, ResetBody } from './limits.dto.js';
import { Manage, Origin, type CommandOrigin, type ManagementResult } from './manage.js';

/** The limits of a tenant: those in force, and the overrides that an administrator sets. */
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

  @Post('overrides')
  @HttpCode(201)
  @Requires('manage')
  @ApiOperation({ summary: 'Override a limit of the policy until a given time, for one target or a whole dimension' })
  @ApiCreatedResponse({ type: LimitOverrideState, description: 'The override is in force.' })
  @Problems('unavailable')
  async overrideLimit(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() body: OverrideBody,
  ): Promise<ManagementResult['state']> {
    const { limit, periodSeconds, reason, endsAt: expiresAt } = body;
    const command = message(LimitOverrideRequested, {
      ...origin,
      tenant,
      of: this.#target(tenant, body),
      limit: { limit, periodSeconds },
      reason,
      expiresAt,
    });
    return (await this.manage.execute(command)).state;
  }

  @Post('reset')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Reset the counters of one caller, call, subject, agent or tenant' })
  @ApiNoContentResponse({ description: 'The counters are empty.' })
  @Problems('unavailable')
  async resetLimit(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() body: ResetBody,
  ): Promise<void> {
    const of = this.#target(tenant, body);
    const { reason } = body;
    await this.manage.execute(message(LimitResetRequested, { ...origin, tenant, of, reason }));
  }

  /** The target as the adapters name it. A telephone number leaves this process only as a keyed hash. */
  #target(tenant: string, body: OverrideBody | ResetBody): LimitTarget {
    const { dimension } = body;
    const phone = body.e164();
    const names =
      phone === undefined
        ? []
        : this.hash.singleKeys.map(({ keyId, hash }) => ({
            keyId,
            target: nameOfPhone(hash, tenant, dimension, phone),
          }));
    const target = names[0]?.target ?? clearTarget(body);
    return { dimension, ...(target === undefined ? {} : { target }), names };
  }
}

/** The body's rules admit a number only for callers and subjects. */
function nameOfPhone(hash: KeyedHash, tenant: string, dimension: LimitTarget['dimension'], phone: string): string {
  if (dimension !== 'subject') return hash.callerKey(tenant, 'phone', phone);
  return limitTargetOf({ dimension, kind: 'phone', value: hash.hash('phone', tenant, phone) });
}

/** The name of a target that is not a number. Undefined: the whole dimension. */
function clearTarget({ dimension, subject, callId, agent }: OverrideBody | ResetBody): string | undefined {
  if (subject !== undefined) return limitTargetOf({ dimension: 'subject', kind: 'id', value: subject });
  return dimension === 'call' ? callId : agent;
}
