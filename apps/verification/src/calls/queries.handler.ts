import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  CallStateRequested,
  KeyComparisonRequested,
  ReceiptIntrospectionRequested,
  SubjectEraseRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { CompareKeys } from '../integrity/compare-keys.use-case.js';
import { EraseSubject } from '../subjects/erase-subject.use-case.js';
import { IntrospectReceipt } from '../receipts/introspect-receipt.use-case.js';
import { ReadCallState } from './read-call-state.use-case.js';

/** Carries questions about calls and receipts, and erasures, to their use cases. */
@Controller()
export class QueriesHandler {
  constructor(
    private readonly tellCallState: ReadCallState,
    private readonly introspectReceipt: IntrospectReceipt,
    private readonly eraseSubject: EraseSubject,
    private readonly compareKeys: CompareKeys,
  ) {}

  @MessagePattern(CallStateRequested.type)
  async callState(@Payload() query: CallStateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.tellCallState.read(query));
  }

  @MessagePattern(ReceiptIntrospectionRequested.type)
  async introspect(
    @Payload() query: ReceiptIntrospectionRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.introspectReceipt.execute(query));
  }

  @MessagePattern(KeyComparisonRequested.type)
  async compare(@Payload() query: KeyComparisonRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.compareKeys.compare(query));
  }

  @MessagePattern(SubjectEraseRequested.type)
  async erase(@Payload() command: SubjectEraseRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.eraseSubject.execute(command));
  }
}
