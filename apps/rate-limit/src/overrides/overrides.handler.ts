import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  LimitOverrideDeleteRequested,
  LimitOverrideListRequested,
  LimitOverrideReadRequested,
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitResetRequested,
  LimitStateRequested,
  LimitTightenRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageLimits } from './manage-limits.use-case.js';

/** Handles the commands of administrators, and the refunds and signals of verification. */
@Controller()
export class OverridesHandler {
  constructor(private readonly manage: ManageLimits) {}

  @MessagePattern(LimitOverrideRequested.type)
  async override(
    @Payload() command: LimitOverrideRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.override(command));
  }

  @MessagePattern(LimitOverrideReadRequested.type)
  async readOverride(
    @Payload() command: LimitOverrideReadRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.readOverride(command));
  }

  @MessagePattern(LimitOverrideListRequested.type)
  async listOverrides(
    @Payload() command: LimitOverrideListRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.listOverrides(command));
  }

  @MessagePattern(LimitOverrideDeleteRequested.type)
  async deleteOverride(
    @Payload() command: LimitOverrideDeleteRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manage.deleteOverride(command));
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
