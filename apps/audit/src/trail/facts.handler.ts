import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { FactRecorded } from '@countersign/contracts';
import { currentTrace, METRICS } from '@countersign/observability';
import { refuseOwnId, refuseOwnKind } from './own-facts.js';
import { RecordFact } from './record-fact.use-case.js';

/** Records facts. */
@Controller()
export class FactsHandler {
  constructor(private readonly recordFact: RecordFact) {}

  @MessagePattern(FactRecorded.type)
  async record(@Payload() fact: FactRecorded): Promise<void> {
    refuseOwnKind(fact.kind);
    refuseOwnId(fact.factId);
    await this.recordFact.record(fact, currentTrace()?.traceparent);
    METRICS.events.inc({ kind: fact.kind });
  }
}
