import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  AgentChangeRequested,
  AgentCreateRequested,
  AgentDeleteRequested,
  AgentListRequested,
  AgentRequested,
  AgentRotateRequested,
  AgentStateChangeRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageAgents } from './manage-agents.use-case.js';

/** The messages of {@link AgentsHandler}. */
export const AGENT_MESSAGES = [
  AgentCreateRequested,
  AgentRotateRequested,
  AgentChangeRequested,
  AgentStateChangeRequested,
  AgentDeleteRequested,
  AgentRequested,
  AgentListRequested,
];

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

  @MessagePattern(AgentStateChangeRequested.type)
  async changeState(
    @Payload() command: AgentStateChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.changeState(command));
  }

  @MessagePattern(AgentDeleteRequested.type)
  async delete(@Payload() command: AgentDeleteRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.delete(command));
  }

  @MessagePattern(AgentRequested.type)
  async read(@Payload() command: AgentRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.read(command));
  }

  @MessagePattern(AgentListRequested.type)
  async list(@Payload() command: AgentListRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.agents.list(command));
  }
}
