import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { FactRecorded } from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';
import { currentTrace, METRICS } from '@countersign/observability';
import { RecordFact } from './record-fact.use-case.js';

/** Records facts and publishes their events. */
@Controller()
export class FactsHandler {
  constructor(private readonly recordFact: RecordFact) {}

  @MessagePattern(FactRecorded.type)
  async record(@Payload() fact: FactRecorded): Promise<Outgoing> {
    const trace = currentTrace();
    const record = await this.recordFact.record(fact, trace?.traceparent);
    METRICS.events.inc({ kind: fact.kind });
    if (trace === undefined) return { record };
    // The CloudEvents extension for tracing. In a header, because the value must equal the stored bytes.
    const headers = { ...record.headers, ce_traceparent: trace.traceparent };
    return { record: { ...record, headers } };
  }
}
