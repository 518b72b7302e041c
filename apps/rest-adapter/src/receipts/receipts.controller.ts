import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, Header, HttpCode, Post } from '@nestjs/common';
import {
  bindingOf,
  message,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
  type AgentPublished,
} from '@countersign/contracts';
import { type PublicKey, ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { CallingAgent, Requires } from '../http/authenticate.js';
import { IntrospectionBody } from '../management/bodies.js';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';
import { readBody } from '../http/read-body.js';
import { RestRequestLimits } from '../http/request-limits.js';

/** Whether a receipt is good, for backends that ask and for those that check it themselves. */
@Controller()
export class ReceiptsController {
  constructor(
    private readonly bus: CommandBus,
    private readonly sealer: PayloadSealer,
    private readonly timeout: ReplyTimeout,
    private readonly receiptKeys: ReceiptPublicKeys,
    private readonly limits: RestRequestLimits,
  ) {}

  /** In the manner of RFC 7662: of a receipt that is not good nothing more is told than that. */
  @Post('v1/receipts/introspect')
  @HttpCode(200)
  @Requires('verify')
  async introspect(@CallingAgent() caller: AgentPublished, @Body() raw: unknown): Promise<Record<string, unknown>> {
    const { receipt, callId, consume = false } = readBody(IntrospectionBody, raw);
    await this.limits.question(caller, 'introspection');
    const { tenant, agent } = caller;
    const commandId = `rest-${randomUUID()}`;
    const asked = { commandId, tenant, agent, consume, ...(callId === undefined ? {} : { callId }) };
    const sealed = await this.sealer.seal({ receipt }, bindingOf(ReceiptIntrospectionRequested, asked));
    const query = message(ReceiptIntrospectionRequested, { ...asked, sealed });
    const { active, claims } = await this.bus.request(query, ReceiptIntrospected, this.timeout.milliseconds);
    return active ? { ...claims, active } : { active };
  }

  @Get('.well-known/jwks.json')
  @Header('cache-control', 'public, max-age=60')
  @Requires('public')
  keys(): { readonly keys: readonly PublicKey[] } {
    return { keys: this.receiptKeys.published };
  }
}
