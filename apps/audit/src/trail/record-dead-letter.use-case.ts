import { type DeadLettered, FactRecorded, INSTALLATION, message } from '@countersign/contracts';
import { type PublicEvent, type RecordFact } from './record-fact.use-case.js';

/** Puts on record that a record was given up, as a fact of the installation, by the id of its letter: written twice, it is one event. */
export class RecordDeadLetter {
  constructor(private readonly recordFact: RecordFact) {}

  record(letter: DeadLettered): Promise<PublicEvent> {
    return this.recordFact.record(
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
