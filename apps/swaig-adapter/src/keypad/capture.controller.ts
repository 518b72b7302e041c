import {
  BadRequestException,
  Controller,
  ForbiddenException,
  Header,
  HttpCode,
  Inject,
  Post,
  Req,
} from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { outcomeCounter } from '@countersign/observability';
import { type FunctionResult } from '../functions/answer-call.use-case.js';
import { CapturePin } from './capture-pin.use-case.js';
import { readFields } from '../functions/swaig-request.js';

/** What the platform's SWML reads: words, and what became of the entry. */
export interface CaptureReply {
  readonly response: string;
  readonly status: FunctionResult['outcome'];
}

/** `POST /swaig/capture/{token}`: takes the digits of a keypad entry. The token in the address is what authenticates. */
@Controller()
export class CaptureController {
  readonly #outcomes = outcomeCounter();

  constructor(@Inject(CapturePin) private readonly capturePin: CapturePin) {}

  @Post('swaig/capture/:token')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async receive(@Req() request: FastifyRequest): Promise<CaptureReply> {
    const { capture } = request;
    if (!capture) throw new ForbiddenException();
    const fields = readFields(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
    if (!fields) throw new BadRequestException();
    const { callId } = capture.capture.caller;
    request.note = { ...(callId === undefined ? {} : { call: callId }), function: 'collect_pin' };
    const { reply, outcome, fault } = await this.capturePin.execute(capture.agent, capture.capture, fields['pin']);
    request.note = { ...request.note, outcome, ...(fault === undefined ? {} : { fault }) };
    this.#outcomes.inc({ adapter: 'swaig', outcome });
    return { response: reply.response, status: outcome };
  }
}
