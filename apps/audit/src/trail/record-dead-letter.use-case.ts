import { Injectable } from '@nestjs/common';
import { type DeadLettered, INSTALLATION, factRecorded } from '@countersign/contracts';
import { RecordFact } from './record-fact.use-case.js';

/** Records a dead letter as a fact of the installation. The fact has the dead letter's id, so a redelivery adds no event. */
@Injectable()
export class RecordDeadLetter {
  constructor(private readonly recordFact: RecordFact) {}

  record(deadLetter: DeadLettered): Promise<void> {
    return this.recordFact.record(
      factRecorded('message.dead_lettered', new Date(deadLetter.time), {
        factId: deadLetter.letterId,
        tenant: INSTALLATION,
        detail: {
          group: deadLetter.group,
          topic: deadLetter.recordTopic,
          partition: deadLetter.partition,
          offset: deadLetter.offset,
          ...(deadLetter.recordType === undefined ? {} : { type: deadLetter.recordType }),
          code: deadLetter.code,
          sha256: deadLetter.sha256,
        },
      }),
    );
  }
}
