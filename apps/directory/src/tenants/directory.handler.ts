import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  AgentCreateRequested,
  AgentChangeRequested,
  AgentRotateRequested,
  TenantChangeRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageDirectory } from './manage-directory.use-case.js';

/** Handles management commands and replies with their answers. */
@Controller()
export class DirectoryHandler {
  constructor(private readonly directory: ManageDirectory) {}

  @MessagePattern(TenantChangeRequested.type)
  async changeTenant(
    @Payload() command: TenantChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.directory.changeTenant(command));
  }

  @MessagePattern(AgentCreateRequested.type)
  async createAgent(
    @Payload() command: AgentCreateRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.directory.createAgent(command));
  }

  @MessagePattern(AgentRotateRequested.type)
  async rotateAgent(
    @Payload() command: AgentRotateRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.directory.rotateAgent(command));
  }

  @MessagePattern(AgentChangeRequested.type)
  async changeAgent(
    @Payload() command: AgentChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.directory.changeAgent(command));
  }
}
