import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, Header, HttpCode, Post, Res } from '@nestjs/common';
import { CallingAgent, Requires, Problems } from '@countersign/api';
import {
  bindingOf,
  message,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
  type AgentPublished,
} from '@countersign/contracts';
import { ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { RestRequestLimits } from '../http/request-limits.js';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';
import { Introspection, IntrospectionBody, KeySet } from './receipts.dto.js';

/** Checks receipts for backends, and publishes the keys with which they can check receipts themselves. */
@ApiTags('receipts')
@Controller()
export class ReceiptsController {
  constructor(
    private readonly bus: CommandBus,
    private readonly sealer: PayloadSealer,
    private readonly timeout: ReplyTimeout,
    private readonly receiptKeys: ReceiptPublicKeys,
    private readonly limits: RestRequestLimits,
  ) {}

  /** As in RFC 7662, the answer about an inactive receipt has no other field. */
  @Post('v1/receipts/introspect')
  @HttpCode(200)
  @Requires('verify')
  @ApiOperation({
    summary:
      'Check a receipt of this agent, or of an agent that its policy trusts, as in RFC 7662; optionally consume it',
  })
  @ApiOkResponse({ type: Introspection, description: 'Whether the receipt is active, and its claims.' })
  @Problems('quota-exceeded', 'unavailable')
  async introspectReceipt(
    @CallingAgent() caller: AgentPublished,
    @Body() { receipt, callId, consume = false }: IntrospectionBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Introspection> {
    await this.limits.admitQuery(caller, 'introspection', reply);
    const { tenant, agent } = caller;
    const commandId = `rest-${randomUUID()}`;
    const query = { commandId, tenant, agent, consume, ...(callId === undefined ? {} : { callId }) };
    const sealed = await this.sealer.seal({ receipt }, bindingOf(ReceiptIntrospectionRequested, query));
    const { active, claims } = await this.bus.request(
      message(ReceiptIntrospectionRequested, { ...query, sealed }),
      ReceiptIntrospected,
      this.timeout.milliseconds,
    );
    return active ? { ...claims, active } : { active };
  }

  @Get('.well-known/jwks.json')
  @Header('cache-control', 'public, max-age=60')
  @Requires('public')
  @ApiOperation({ summary: 'The public keys of receipts, a JSON Web Key Set' })
  @ApiOkResponse({ type: KeySet, description: 'The public keys.' })
  receiptKeySet(): KeySet {
    return { keys: [...this.receiptKeys.published] };
  }
}
