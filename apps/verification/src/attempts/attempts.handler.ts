import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  VerificationAdmitted,
  VerificationDecided,
} from '@countersign/contracts';
import { isExpired, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { DecideAttempt } from './decide-attempt.use-case.js';
import { IssueReceipt } from '../receipts/issue-receipt.use-case.js';
import { refund, refundOf } from './limit-refund.js';
import { ManageSubject } from '../subjects/manage-subject.use-case.js';
import { SprayDetector } from '../abuse/spray-detector.js';
import { UnlockSubject } from '../subjects/unlock-subject.use-case.js';

/** Carries messages to the use cases and their answers back. */
@Controller()
export class VerificationHandler {
  constructor(
    private readonly decideAttempt: DecideAttempt,
    private readonly manageSubject: ManageSubject,
    private readonly issueReceipt: IssueReceipt,
    private readonly watch: SprayDetector,
    private readonly unlockSubject: UnlockSubject,
  ) {}

  /**
   * Nobody waits for an expired guess: it is not begun, but a try that was spent on it gets its verdict. One that was
   * admitted and never begun has spent limits for nothing.
   */
  @MessagePattern(VerificationAdmitted.type, { handlesExpired: true })
  async verify(
    @Payload() command: VerificationAdmitted,
    @Ctx() context: BusContext,
  ): Promise<(Outgoing | undefined)[] | undefined> {
    if (isExpired(context)) {
      return (await this.decideAttempt.abandon(command)) ? undefined : [refund(command)];
    }
    const decided = await this.issueReceipt.attach(command, await this.decideAttempt.decide(command));
    const { quotas } = command;
    const reply = quotas === undefined ? decided : message(VerificationDecided, { ...decided, quotas });
    return [
      replyTo(context, reply),
      refundOf(command, decided),
      ...this.watch.take().map((told) => ({ message: told })),
    ];
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

  @MessagePattern(SubjectUnlockRequested.type)
  async unlock(@Payload() command: SubjectUnlockRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.unlockSubject.execute(command));
  }
}
