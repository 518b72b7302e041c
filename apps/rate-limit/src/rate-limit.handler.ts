import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { VerificationAdmitted, VerificationRequested } from '@countersign/contracts';
import { passOn, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { AdmitRequest } from './admit-request.js';

/** Carries requests to the limiter, and on to the verification service or back to the asker. */
@Controller()
export class RateLimitHandler {
  constructor(private readonly admitRequest: AdmitRequest) {}

  @MessagePattern(VerificationRequested.type)
  async admit(@Payload() request: VerificationRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    const result = await this.admitRequest.execute(request);
    return result instanceof VerificationAdmitted ? passOn(context, result) : replyTo(context, result);
  }
}
