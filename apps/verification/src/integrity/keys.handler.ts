import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { KeyComparisonRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { CompareKeys } from './compare-keys.use-case.js';

@Controller()
export class KeysHandler {
  constructor(private readonly compareKeys: CompareKeys) {}

  @MessagePattern(KeyComparisonRequested.type)
  async compare(@Payload() query: KeyComparisonRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.compareKeys.compare(query));
  }
}
