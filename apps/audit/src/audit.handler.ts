import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { FactRecorded } from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';
import { RecordFact } from './record-fact.js';

/** Carries facts to the trail, and the public events to their topic. */
@Controller()
export class AuditHandler {
  constructor(private readonly recordFact: RecordFact) {}

  @MessagePattern(FactRecorded.type)
  async record(@Payload() fact: FactRecorded): Promise<Outgoing> {
    return { record: await this.recordFact.execute(fact) };
  }
}
