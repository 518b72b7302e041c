import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { DeadLettered } from '@countersign/contracts';
import { refuseOwnId } from './own-facts.js';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';

/** Records dead letters. */
@Controller()
export class DeadLettersHandler {
  constructor(private readonly recordDeadLetter: RecordDeadLetter) {}

  @MessagePattern(DeadLettered.type)
  async record(@Payload() deadLetter: DeadLettered): Promise<void> {
    refuseOwnId(deadLetter.letterId);
    return this.recordDeadLetter.record(deadLetter);
  }
}
