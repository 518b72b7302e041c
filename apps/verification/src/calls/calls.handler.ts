import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { CallStateRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ReadCallState } from './read-call-state.use-case.js';

@Controller()
export class CallsHandler {
  constructor(private readonly readCallState: ReadCallState) {}

  @MessagePattern(CallStateRequested.type)
  async callState(@Payload() query: CallStateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.readCallState.read(query));
  }
}
