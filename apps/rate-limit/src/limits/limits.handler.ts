import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitRequested,
  LimitResetRequested,
  LimitStateRequested,
  LimitTightenRequested,
  RefusalsCounted,
  VerificationAdmitted,
  VerificationRequested,
} from '@countersign/contracts';
import { forward, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { AdmitRequest } from './admit-request.use-case.js';
import { ManageLimits } from '../overrides/manage-limits.use-case.js';

/** Handles limit requests: forwards admitted attempts to verification and replies to everything else. */
@Controller()
export class RateLimitHandler {
  constructor(
    private readonly admitRequest: AdmitRequest,
    private readonly manage: ManageLimits,
  ) {}

  @MessagePattern(VerificationRequested.type)
  async admit(@Payload() request: VerificationRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    const result = await this.admitRequest.admitAttempt(request);
    return result instanceof VerificationAdmitted ? forward(context, result) : replyTo(context, result);
  }

  @MessagePattern(LimitRequested.type)
  async decide(@Payload() request: LimitRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.admitRequest.decide(request));
  }

  @MessagePattern(RefusalsCounted.type)
  noteCachedRefusals(@Payload() counted: RefusalsCounted): void {
    this.admitRequest.noteCachedRefusals(counted);
  }

  @MessagePattern(LimitOverrideRequested.type)
  async override(
    @Payload() command: LimitOverrideRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.override(command));
  }

  @MessagePattern(LimitResetRequested.type)
  async reset(@Payload() command: LimitResetRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.reset(command));
  }

  @MessagePattern(LimitStateRequested.type)
  async state(@Payload() command: LimitStateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.state(command));
  }

  @MessagePattern(LimitRefundRequested.type)
  async refund(@Payload() request: LimitRefundRequested): Promise<void> {
    await this.manage.refund(request);
  }

  @MessagePattern(LimitTightenRequested.type)
  async tighten(@Payload() request: LimitTightenRequested): Promise<void> {
    await this.manage.tighten(request);
  }
}
