import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { AgentChangeRequested, AgentCreateRequested, AgentRotateRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageAgents } from './manage-agents.use-case.js';

/** Handles the commands about agents and replies with their answers. */
@Controller()
export class AgentsHandler {
  constructor(private readonly agents: ManageAgents) {}

  @MessagePattern(AgentCreateRequested.type)
  async create(@Payload() command: AgentCreateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.create(command));
  }

  @MessagePattern(AgentRotateRequested.type)
  async rotate(@Payload() command: AgentRotateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.rotate(command));
  }

  @MessagePattern(AgentChangeRequested.type)
  async change(@Payload() command: AgentChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.change(command));
  }
}
