import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { FactRecorded, type FactKind } from '@countersign/contracts';
import { currentTrace, METRICS } from '@countersign/observability';
import { ServiceError } from '@countersign/runtime';
import { RecordFact } from './record-fact.use-case.js';

/** What only this service records. From the topic, whoever may write facts could state a pruning, and so hide a removal. */
const OWN_KINDS: readonly FactKind[] = ['log.pruned', 'log.shard_started'];

/** Records facts. */
@Controller()
export class FactsHandler {
  constructor(private readonly recordFact: RecordFact) {}

  @MessagePattern(FactRecorded.type)
  async record(@Payload() fact: FactRecorded): Promise<void> {
    if (OWN_KINDS.includes(fact.kind))
      throw new ServiceError('MESSAGE_UNREADABLE', `only the audit service records ${fact.kind}`, false);
    await this.recordFact.record(fact, currentTrace()?.traceparent);
    METRICS.events.inc({ kind: fact.kind });
  }
}
