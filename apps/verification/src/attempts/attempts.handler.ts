import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { VerificationAdmitted, type LimitRefundRequested } from '@countersign/contracts';
import { isExpired, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { AnswerAttempt } from './answer-attempt.use-case.js';

@Controller()
export class AttemptsHandler {
  constructor(private readonly answerAttempt: AnswerAttempt) {}

  /** An expired command has no requester that waits: its attempt is not begun, but one that was counted gets its outcome. */
  @MessagePattern(VerificationAdmitted.type, { handlesExpired: true })
  async verify(
    @Payload() command: VerificationAdmitted,
    @Ctx() context: BusContext,
  ): Promise<(Outgoing | undefined)[]> {
    if (isExpired(context)) return [asOutgoing(await this.answerAttempt.abandon(command))];
    const { reply, refund, mac } = await this.answerAttempt.answer(command);
    const answer = replyTo(context, reply);
    return [answer && { ...answer, ...(mac && { sign: mac }) }, asOutgoing(refund)];
  }
}

function asOutgoing(refund: LimitRefundRequested | undefined): Outgoing | undefined {
  return refund && { message: refund };
}
