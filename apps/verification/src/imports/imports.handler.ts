import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { SubjectImportRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ImportSubjects } from './import-subjects.use-case.js';

/** Work on many subjects at once. */
@Controller()
export class ImportsHandler {
  constructor(private readonly importSubjects: ImportSubjects) {}

  @MessagePattern(SubjectImportRequested.type)
  async import(@Payload() command: SubjectImportRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.importSubjects.import(command));
  }
}
