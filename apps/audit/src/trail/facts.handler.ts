import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { FactRecorded } from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';
import { currentTrace, METRICS } from '@countersign/observability';
import { RecordFact } from './record-fact.use-case.js';

/** Carries facts to the trail, and the public events to their topic. */
@Controller()
export class AuditHandler {
  constructor(private readonly recordFact: RecordFact) {}

  @MessagePattern(FactRecorded.type)
  async record(@Payload() fact: FactRecorded): Promise<Outgoing> {
    const record = await this.recordFact.record(fact);
    METRICS.events.inc({ kind: fact.kind });
    const trace = currentTrace();
    if (trace === undefined) return { record };
    // The extension of CloudEvents for traces. A header: the bytes on record stay what they are, whoever traced.
    const headers = { ...record.headers, ce_traceparent: trace.traceparent };
    return { record: { ...record, headers } };
  }
}
