import { Controller, Get, Param } from '@nestjs/common';
import { CallStateAnswered, CallStateRequested, message, type AgentPublished } from '@countersign/contracts';
import { CallingAgent, Requires } from '../http/authenticate.js';
import { CALL_PATTERN, CALL_RULE } from '../management/bodies.js';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';
import { readName } from '../http/read-body.js';
import { RestRequestLimits } from '../http/request-limits.js';

/** What the server's own record says of a call. */
@Controller('v1/calls/:callId')
export class CallsController {
  constructor(
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
    private readonly limits: RestRequestLimits,
  ) {}

  /** An unknown call, one of another tenant and one whose time is over are alike: 200, not verified. */
  @Get('verification')
  @Requires('verify')
  async verification(
    @CallingAgent() caller: AgentPublished,
    @Param('callId') given: string,
  ): Promise<Record<string, unknown>> {
    const callId = readName('callId', given, CALL_PATTERN, CALL_RULE);
    await this.limits.question(caller, 'call_state');
    const { tenant, agent } = caller;
    const query = message(CallStateRequested, { tenant, agent, callId });
    const { verified, level, subject, verificationId, verifiedAt, expiresAt } = await this.bus.request(
      query,
      CallStateAnswered,
      this.timeout.milliseconds,
    );
    // What is undefined is left out of the JSON.
    return { verified, level, subject, verificationId, verifiedAt, expiresAt };
  }
}
