import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  KnowledgeChangeRequested,
  type LimitRefundRequested,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  VerificationAdmitted,
} from '@countersign/contracts';
import { isExpired, replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { AnswerAttempt } from './answer-attempt.use-case.js';
import { ManageSubject } from '../subjects/manage-subject.use-case.js';
import { UnlockSubject } from '../subjects/unlock-subject.use-case.js';

/** Attempts, and changes of subjects and credentials. */
@Controller()
export class VerificationHandler {
  constructor(
    private readonly answerAttempt: AnswerAttempt,
    private readonly manageSubject: ManageSubject,
    private readonly unlockSubject: UnlockSubject,
  ) {}

  /** An expired command has no requester that waits: its attempt is not begun, but one that was counted gets its outcome. */
  @MessagePattern(VerificationAdmitted.type, { handlesExpired: true })
  async verify(
    @Payload() command: VerificationAdmitted,
    @Ctx() context: BusContext,
  ): Promise<(Outgoing | undefined)[]> {
    if (isExpired(context)) return [asOutgoing(await this.answerAttempt.abandon(command))];
    const { reply, refund } = await this.answerAttempt.answer(command);
    return [replyTo(context, reply), asOutgoing(refund)];
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

function asOutgoing(refund: LimitRefundRequested | undefined): Outgoing | undefined {
  return refund && { message: refund };
}
