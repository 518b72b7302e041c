import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { PolicyChangeRequested, PolicyRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManagePolicies } from './manage-policies.use-case.js';

/** The messages of {@link PoliciesHandler}. */
export const POLICY_MESSAGES = [PolicyRequested, PolicyChangeRequested];

/** Handles the commands about policies and replies with their answers. */
@Controller()
export class PoliciesHandler {
  constructor(private readonly policies: ManagePolicies) {}

  @MessagePattern(PolicyRequested.type)
  async read(@Payload() command: PolicyRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.policies.read(command));
  }

  @MessagePattern(PolicyChangeRequested.type)
  async change(@Payload() command: PolicyChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.policies.change(command));
  }
}
