import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  CredentialRemoveRequested,
  KnowledgeChangeRequested,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectListRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { EraseSubject } from './erasure/erase-subject.use-case.js';
import { ManageSubject } from './manage-subject.use-case.js';
import { UnlockSubject } from './unlock-subject.use-case.js';

/** Management of subjects and their credentials. */
@Controller()
export class SubjectsHandler {
  constructor(
    private readonly manageSubject: ManageSubject,
    private readonly unlockSubject: UnlockSubject,
    private readonly eraseSubject: EraseSubject,
  ) {}

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

  @MessagePattern(SubjectListRequested.type)
  async list(@Payload() command: SubjectListRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.list(command));
  }

  @MessagePattern(CredentialRemoveRequested.type)
  async removeCredential(
    @Payload() command: CredentialRemoveRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.manageSubject.removeCredential(command));
  }

  @MessagePattern(SubjectUnlockRequested.type)
  async unlock(@Payload() command: SubjectUnlockRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.unlockSubject.unlock(command));
  }

  @MessagePattern(SubjectEraseRequested.type)
  async erase(@Payload() command: SubjectEraseRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.eraseSubject.erase(command));
  }
}
