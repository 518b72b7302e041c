import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  OperatorLogoutRequested,
  OperatorSessionEndRequested,
  OperatorSessionRequested,
  OperatorSessionStartRequested,
  OperatorSignInBeginRequested,
  OperatorSignInTakeRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageOperatorSessions } from './manage-operator-sessions.use-case.js';

/** The messages of {@link OperatorSessionsHandler}. */
export const OPERATOR_SESSION_MESSAGES = [
  OperatorSignInBeginRequested,
  OperatorSignInTakeRequested,
  OperatorSessionStartRequested,
  OperatorSessionRequested,
  OperatorSessionEndRequested,
  OperatorLogoutRequested,
];

/** Handles the commands about sign-ins and sessions of operators and replies with their answers. */
@Controller()
export class OperatorSessionsHandler {
  constructor(private readonly sessions: ManageOperatorSessions) {}

  @MessagePattern(OperatorSignInBeginRequested.type)
  async begin(
    @Payload() command: OperatorSignInBeginRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.begin(command));
  }

  @MessagePattern(OperatorSignInTakeRequested.type)
  async take(
    @Payload() command: OperatorSignInTakeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.take(command));
  }

  @MessagePattern(OperatorSessionStartRequested.type)
  async start(
    @Payload() command: OperatorSessionStartRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.start(command));
  }

  @MessagePattern(OperatorSessionRequested.type)
  async read(@Payload() command: OperatorSessionRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.read(command));
  }

  @MessagePattern(OperatorSessionEndRequested.type)
  async end(
    @Payload() command: OperatorSessionEndRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.end(command));
  }

  @MessagePattern(OperatorLogoutRequested.type)
  async logout(@Payload() command: OperatorLogoutRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.sessions.logout(command));
  }
}
