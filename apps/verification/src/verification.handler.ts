import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  VerificationAdmitted,
} from '@countersign/contracts';
import { isExpired, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { IssueReceipt } from './issue-receipt.js';
import { ManageSubject } from './manage-subject.js';
import { UnlockSubject } from './unlock-subject.js';
import { VerifyPin } from './verify-pin.js';

/** Carries messages to the use cases and their answers back. */
@Controller()
export class VerificationHandler {
  constructor(
    private readonly verifyPin: VerifyPin,
    private readonly manageSubject: ManageSubject,
    private readonly unlockSubject: UnlockSubject,
    private readonly issueReceipt: IssueReceipt,
  ) {}

  /** Nobody waits for an expired guess: it is not begun, but a try that was spent on it gets its verdict. */
  @MessagePattern(VerificationAdmitted.type, { handlesExpired: true })
  async verify(@Payload() command: VerificationAdmitted, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    if (isExpired(context)) {
      await this.verifyPin.abandon(command);
      return undefined;
    }
    return replyTo(context, await this.issueReceipt.attach(command, await this.verifyPin.execute(command)));
  }

  @MessagePattern(SubjectChangeRequested.type)
  async change(@Payload() command: SubjectChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.change(command));
  }

  @MessagePattern(PinChangeRequested.type)
  async enrol(@Payload() command: PinChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.enrol(command));
  }

  @MessagePattern(SubjectStateRequested.type)
  async state(@Payload() command: SubjectStateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.state(command));
  }

  @MessagePattern(SubjectUnlockRequested.type)
  async unlock(@Payload() command: SubjectUnlockRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.unlockSubject.execute(command));
  }
}
