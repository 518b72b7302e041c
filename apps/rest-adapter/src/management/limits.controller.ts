import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  LimitOverrideRequested,
  LimitResetRequested,
  LimitStateRequested,
  limitTargetOf,
  message,
  NAME_PATTERN,
  type LimitTarget,
} from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { Requires } from '../http/authenticate.js';
import { NAME_RULE } from './bodies.js';
import { OverrideBody, ResetBody } from './limit-bodies.js';
import { Manage } from './manage.js';
import { readBody, readName } from '../http/read-body.js';

/** The limits of a tenant: what is in force, and what an administrator sets apart from the policy. */
@Controller('v1/tenants/:tenant/limits')
export class LimitsController {
  constructor(
    private readonly manage: Manage,
    private readonly hash: KeyedHash,
  ) {}

  @Get()
  @Requires('manage')
  async getLimits(@Param('tenant') tenantName: string): Promise<Record<string, unknown>> {
    const { state } = await this.manage.execute(message(LimitStateRequested, this.#command(tenantName)));
    return state;
  }

  @Post('overrides')
  @HttpCode(201)
  @Requires('manage')
  async override(@Param('tenant') tenantName: string, @Body() raw: unknown): Promise<Record<string, unknown>> {
    const command = this.#command(tenantName);
    const body = readBody(OverrideBody, raw);
    const { limit, periodSeconds, endsAt: expiresAt } = body;
    const reasonKey = this.hash.reasonKey(command.tenant, body.reason);
    const of = this.#target(command.tenant, body);
    const { state } = await this.manage.execute(
      message(LimitOverrideRequested, { ...command, of, limit: { limit, periodSeconds }, reasonKey, expiresAt }),
    );
    return state;
  }

  @Post('reset')
  @HttpCode(204)
  @Requires('manage')
  async reset(@Param('tenant') tenantName: string, @Body() raw: unknown): Promise<void> {
    const command = this.#command(tenantName);
    const body = readBody(ResetBody, raw);
    const of = this.#target(command.tenant, body);
    const reasonKey = this.hash.reasonKey(command.tenant, body.reason);
    await this.manage.execute(message(LimitResetRequested, { ...command, of, reasonKey }));
  }

  #command(tenantName: string): { commandId: string; tenant: string } {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    return { commandId: this.manage.commandId(), tenant };
  }

  /** As the adapters name them when they ask: a telephone number leaves this process as a keyed hash only. */
  #target(tenant: string, body: OverrideBody | ResetBody): LimitTarget {
    const { dimension, subject, callId, agent } = body;
    const e164 = body.e164();
    const keyed = (under: KeyedHash): string | undefined => {
      if (e164 === undefined) return undefined;
      if (dimension === 'caller' || dimension === 'subjectsPerCaller') return under.callerKey(tenant, 'phone', e164);
      if (dimension !== 'subject') return undefined;
      return limitTargetOf({ dimension, kind: 'phone', value: under.hash('phone', tenant, e164) });
    };
    const names = this.hash.each.flatMap(({ keyId, hash }) => {
      const target = keyed(hash);
      return target === undefined ? [] : [{ keyId, target }];
    });
    const clear = (): string | undefined => {
      switch (dimension) {
        case 'caller':
        case 'subjectsPerCaller':
          return undefined;
        case 'subject':
          return subject === undefined ? undefined : limitTargetOf({ dimension, kind: 'id', value: subject });
        case 'call':
          return callId;
        case 'agent':
          return agent;
        case 'tenant':
          return undefined;
      }
    };
    const target = names[0]?.target ?? clear();
    return { dimension, ...(target === undefined ? {} : { target }), names };
  }
}
