import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { LimitRequested, RefusalsCounted, VerificationAdmitted, VerificationRequested } from '@countersign/contracts';
import { forward, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { AdmitRequest } from './admit-request.use-case.js';

/** Handles limit requests: forwards admitted attempts to verification and replies to everything else. */
@Controller()
export class AdmissionHandler {
  constructor(private readonly admitRequest: AdmitRequest) {}

  @MessagePattern(VerificationRequested.type)
  async admit(@Payload() request: VerificationRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    const result = await this.admitRequest.admitAttempt(request);
    return result instanceof VerificationAdmitted ? forward(context, result) : replyTo(context, result);
  }

  @MessagePattern(LimitRequested.type)
  async decide(@Payload() request: LimitRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.admitRequest.decide(request));
  }

  @MessagePattern(RefusalsCounted.type)
  noteCachedRefusals(@Payload() counted: RefusalsCounted): void {
    this.admitRequest.noteCachedRefusals(counted);
  }
}
