import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  KnowledgeChangeRequested,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectStateRequested,
  VerificationAdmitted,
} from '@countersign/contracts';
import { isExpired, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { DecideAttempt } from './decide-attempt.js';
import { IssueReceipt } from './issue-receipt.js';
import { ManageSubject } from './manage-subject.js';

/** Carries messages to the use cases and their answers back. */
@Controller()
export class VerificationHandler {
  constructor(
    private readonly decideAttempt: DecideAttempt,
    private readonly manageSubject: ManageSubject,
    private readonly issueReceipt: IssueReceipt,
  ) {}

  /** Nobody waits for an expired guess: it is not begun, but a try that was spent on it gets its verdict. */
  @MessagePattern(VerificationAdmitted.type, { handlesExpired: true })
  async verify(@Payload() command: VerificationAdmitted, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    if (isExpired(context)) {
      await this.decideAttempt.abandon(command);
      return undefined;
    }
    return replyTo(context, await this.issueReceipt.attach(command, await this.decideAttempt.execute(command)));
  }

  @MessagePattern(SubjectChangeRequested.type)
  async change(@Payload() command: SubjectChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.change(command));
  }

  @MessagePattern(PinChangeRequested.type)
  async enrol(@Payload() command: PinChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.enrol(command));
  }

  @MessagePattern(KnowledgeChangeRequested.type)
  async enrolAnswers(
    @Payload() command: KnowledgeChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.enrolAnswers(command));
  }

  @MessagePattern(SubjectStateRequested.type)
  async state(@Payload() command: SubjectStateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.state(command));
  }
}
