import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { DeadLettered } from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';

/** Carries dead letters to the trail, and their public events to their topic. */
@Controller()
export class DeadLetterHandler {
  constructor(private readonly recordDeadLetter: RecordDeadLetter) {}

  @MessagePattern(DeadLettered.type)
  async record(@Payload() letter: DeadLettered): Promise<Outgoing> {
    return { record: await this.recordDeadLetter.record(letter) };
  }
}
