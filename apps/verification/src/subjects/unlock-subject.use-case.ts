import { CommandAnswered, message, type SubjectUnlockRequested, factRecorded } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { type AttemptGate } from '../attempts/attempts.ports.js';
import { type SubjectStore } from './subjects.ports.js';

/** Opens a subject that guesses have locked. What a cap has disabled stays so until it is enrolled anew. */
export class UnlockSubject {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly attempts: AttemptGate,
    /** Of IDENTIFIER_KEY. */
    private readonly hash: KeyedHash,
  ) {}

  async execute({ commandId, tenant, subject, reasonKey }: SubjectUnlockRequested): Promise<CommandAnswered> {
    const { id, referenceKey } = await this.subjects.find(tenant, 'id', subject, 'pin');
    if (id === undefined) return message(CommandAnswered, { commandId, answer: 'not_found' });
    await this.attempts.unlock(commandId, tenant, referenceKey, (time) =>
      factRecorded('credential.unlocked', time, {
        tenant,
        subject,
        subjectKey: this.hash.subjectKey(tenant, 'id', subject),
        commandId,
        detail: { reasonKey },
      }),
    );
    return message(CommandAnswered, { commandId, answer: 'updated' });
  }
}
