import {
  BadRequestException,
  ForbiddenException,
  UnauthorizedException,
  Controller,
  HttpCode,
  Post,
  Req,
} from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { RouteAccess } from '@countersign/http';
import { outcomeCounter } from '@countersign/observability';
import { KeyedHash } from '@countersign/crypto';
import { AnswerCall, type FunctionResult } from './answer-call.use-case.js';
import { PublicUrl } from '../http/public-url.js';
import { SwaigSettings } from '../swaig-adapter.settings.js';
import { defineFunctions, isFunction, type FunctionDefinition } from './function-definitions.js';
import { isSignedByPlatform } from '../http/platform-signature.js';
import { AGENT } from '../http/swaig-request-hooks.js';
import { SwaigRequestLimits } from '../http/request-limits.js';
import { type SwaigReply } from '../replies/swaig-reply.js';
import { readSwaigRequest } from './swaig-request.js';

/** Call ids that may appear in the log. */
const PRINTABLE_CALL_ID = /^[\w.:-]{1,128}$/;
const SIGNATURE_HEADER = 'x-signalwire-signature';

/** `POST /swaig`: answers function calls and signature requests. Agent and tenant come from the credentials. */
@Controller()
export class SwaigController {
  readonly #outcomes = outcomeCounter();

  constructor(
    private readonly answerCall: AnswerCall,
    private readonly limits: SwaigRequestLimits,
    private readonly hash: KeyedHash,
    private readonly settings: SwaigSettings,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Post('swaig')
  @HttpCode(200)
  @RouteAccess(AGENT)
  async receive(@Req() request: FastifyRequest): Promise<SwaigReply | FunctionDefinition[]> {
    const { authenticated } = request;
    if (!authenticated) throw new UnauthorizedException();
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const parsed = readSwaigRequest(body);
    if (!parsed) throw new BadRequestException();
    const { agent, credentials } = authenticated;
    if (parsed.kind === 'signature') {
      this.#checkSignature(request, body);
      // The definitions come from memory and have no effect, so they are returned even if the rate limiter is unavailable.
      const refusal = await this.limits.findRefusal(agent, undefined);
      request.logFields = { outcome: refusal?.outcome === 'rate_limited' ? refusal.outcome : 'signature' };
      if (refusal?.outcome === 'rate_limited') return refusal.reply;
      return defineFunctions(agent, parsed.functions, credentials, this.publicUrl.get(), this.hash);
    }
    request.logFields = {
      ...(PRINTABLE_CALL_ID.test(parsed.callId) ? { call: parsed.callId } : {}),
      ...(isFunction(parsed.functionName) ? { function: parsed.functionName } : {}),
    };
    const answer = await this.answerCall.answer(agent, parsed);
    this.#record(request, answer);
    return answer.reply;
  }

  /** The platform does not sign function calls, and projects may have no signing key. A signature that is sent must be valid. */
  #checkSignature(request: FastifyRequest, body: Buffer): void {
    const signature = request.headers[SIGNATURE_HEADER];
    const key = this.settings.SIGNALWIRE_SIGNING_KEY;
    if (signature === undefined || key === undefined) return;
    if (!isSignedByPlatform(String(signature), key, `${this.publicUrl.get()}${request.url}`, body)) {
      throw new ForbiddenException();
    }
  }

  #record(request: FastifyRequest, { outcome, fault }: FunctionResult): void {
    request.logFields = { ...request.logFields, outcome, ...(fault === undefined ? {} : { fault }) };
    if (request.logFields.function !== undefined) this.#outcomes.inc({ adapter: 'swaig', outcome });
  }
}
