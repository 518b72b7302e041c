import { type DeadLettered, FactRecorded, message } from '@countersign/contracts';
import { type PublicEvent, type RecordFact } from './record-fact.js';

/** Letters belong to the installation: no tenant can have a name that begins so. */
const INSTALLATION = '_installation';

/** Puts on record that a record was given up, by the id of its letter: written twice, it is one event. */
export class RecordDeadLetter {
  constructor(private readonly recordFact: RecordFact) {}

  execute(letter: DeadLettered): Promise<PublicEvent> {
    return this.recordFact.execute(
      message(FactRecorded, {
        factId: letter.letterId,
        kind: 'message.dead_lettered',
        time: letter.time,
        tenant: INSTALLATION,
        detail: {
          group: letter.group,
          topic: letter.recordTopic,
          partition: letter.partition,
          offset: letter.offset,
          ...(letter.recordType === undefined ? {} : { type: letter.recordType }),
          code: letter.code,
          sha256: letter.sha256,
        },
      }),
    );
  }
}
