import { BadRequestException, Controller, ForbiddenException, HttpCode, Post, Req } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { RouteAccess } from '@countersign/http';
import { outcomeCounter } from '@countersign/observability';
import { type FunctionResult } from '../functions/answer-call.use-case.js';
import { CapturePin } from './capture-pin.use-case.js';
import { CAPTURE } from '../http/swaig-request-hooks.js';
import { readFields } from '../functions/swaig-request.js';

/** The answer to a keypad entry, which the platform's SWML reads. */
export interface CaptureReply {
  readonly response: string;
  readonly status: FunctionResult['outcome'];
}

/** `POST /swaig/capture/{token}`: receives the digits of a keypad entry. The token in the path authenticates the request. */
@Controller()
export class CaptureController {
  readonly #outcomes = outcomeCounter();

  constructor(private readonly capturePin: CapturePin) {}

  @Post('swaig/capture/:token')
  @HttpCode(200)
  @RouteAccess(CAPTURE)
  async receive(@Req() request: FastifyRequest): Promise<CaptureReply> {
    const { capture } = request;
    if (!capture) throw new ForbiddenException();
    const fields = readFields(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
    if (!fields) throw new BadRequestException();
    const { callId } = capture.claims.caller;
    request.logFields = { ...(callId === undefined ? {} : { call: callId }), function: 'collect_pin' };
    const { reply, outcome, fault } = await this.capturePin.verify(capture.agent, capture.claims, fields['pin']);
    request.logFields = { ...request.logFields, outcome, ...(fault === undefined ? {} : { fault }) };
    this.#outcomes.inc({ adapter: 'swaig', outcome });
    return { response: reply.response, status: outcome };
  }
}
