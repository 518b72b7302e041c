import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { DeadLettered } from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';

/** Records dead letters and publishes their events. */
@Controller()
export class DeadLettersHandler {
  constructor(private readonly recordDeadLetter: RecordDeadLetter) {}

  @MessagePattern(DeadLettered.type)
  async record(@Payload() deadLetter: DeadLettered): Promise<Outgoing> {
    return { record: await this.recordDeadLetter.record(deadLetter) };
  }
}
