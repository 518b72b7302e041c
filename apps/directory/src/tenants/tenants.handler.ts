import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  TenantChangeRequested,
  TenantDeleteRequested,
  TenantErased,
  TenantListRequested,
  TenantRequested,
  TenantStateChangeRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageTenants } from './manage-tenants.use-case.js';

/** The messages of {@link TenantsHandler}. */
export const TENANT_MESSAGES = [
  TenantChangeRequested,
  TenantStateChangeRequested,
  TenantDeleteRequested,
  TenantErased,
  TenantRequested,
  TenantListRequested,
];

/** Handles the commands about tenants and replies with their answers. */
@Controller()
export class TenantsHandler {
  constructor(private readonly tenants: ManageTenants) {}

  @MessagePattern(TenantChangeRequested.type)
  async change(@Payload() command: TenantChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.change(command));
  }

  @MessagePattern(TenantStateChangeRequested.type)
  async changeState(
    @Payload() command: TenantStateChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.changeState(command));
  }

  @MessagePattern(TenantDeleteRequested.type)
  async delete(@Payload() command: TenantDeleteRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.delete(command));
  }

  @MessagePattern(TenantErased.type)
  async erased(@Payload() report: TenantErased): Promise<void> {
    await this.tenants.erased(report);
  }

  @MessagePattern(TenantRequested.type)
  async read(@Payload() command: TenantRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.read(command));
  }

  @MessagePattern(TenantListRequested.type)
  async list(@Payload() command: TenantListRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.list(command));
  }
}
