import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { ReceiptIntrospectionRequested } from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { IntrospectReceipt } from './introspect-receipt.use-case.js';

@Controller()
export class ReceiptsHandler {
  constructor(private readonly introspectReceipt: IntrospectReceipt) {}

  @MessagePattern(ReceiptIntrospectionRequested.type)
  async introspect(
    @Payload() query: ReceiptIntrospectionRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.introspectReceipt.introspect(query));
  }
}
