import { Inject, Injectable } from '@nestjs/common';
import { CommandAnswered, message, type SubjectUnlockRequested, factRecorded } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { AttemptGate } from '../attempts/attempts.ports.js';
import { EVENT_NAMES } from '../integrity/stored-names.js';
import { SubjectStore } from './subjects.ports.js';

/** Clears the locks of a subject. A credential that reached its cap stays disabled until it is enrolled again. */
@Injectable()
export class UnlockSubject {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly attempts: AttemptGate,
    @Inject(EVENT_NAMES) private readonly hash: KeyedHash,
  ) {}

  async unlock({ commandId, actor, tenant, subject, reason }: SubjectUnlockRequested): Promise<CommandAnswered> {
    const { id, referenceKey } = await this.subjects.find(tenant, 'id', subject, 'pin');
    if (id === undefined) return message(CommandAnswered, { commandId, answer: 'not_found' });
    await this.attempts.unlock(commandId, tenant, referenceKey, (time) =>
      factRecorded('credential.unlocked', time, {
        tenant,
        subject,
        subjectKey: this.hash.subjectKey(tenant, 'id', subject),
        commandId,
        actor,
        detail: { reason },
      }),
    );
    return message(CommandAnswered, { commandId, answer: 'updated' });
  }
}
