import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { TenantChangeRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageTenants } from './manage-tenants.use-case.js';

/** Handles the commands about tenants and replies with their answers. */
@Controller()
export class TenantsHandler {
  constructor(private readonly tenants: ManageTenants) {}

  @MessagePattern(TenantChangeRequested.type)
  async change(@Payload() command: TenantChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tenants.change(command));
  }
}
