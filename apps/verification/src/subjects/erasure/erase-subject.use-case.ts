import { Injectable } from '@nestjs/common';
import { CommandAnswered, message, type SubjectEraseRequested } from '@countersign/contracts';
import { SubjectErasure } from '../subjects.ports.js';

/** Erases a subject. The attempt counter stays, and so do the entries of the ledger and the audit log, which have its id. */
@Injectable()
export class EraseSubject {
  constructor(private readonly erasures: SubjectErasure) {}

  async erase(command: SubjectEraseRequested): Promise<CommandAnswered> {
    const { commandId, tenant, subject, actor, preconditions } = command;
    const result = await this.erasures.erase(commandId, tenant, subject, actor, preconditions);
    return message(CommandAnswered, { commandId, answer: result === 'erased' ? 'updated' : result });
  }
}
