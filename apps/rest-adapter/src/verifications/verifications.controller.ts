import { Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import {
  CallingAgent,
  Requires,
  CallPath,
  SubjectPath,
  Problem,
  Problems,
  invalid,
  quotaHeaders,
  shownLimit,
} from '@countersign/api';
import {
  CallStateAnswered,
  CallStateRequested,
  message,
  type AgentPublished,
  type VerificationDecided,
} from '@countersign/contracts';
import { answerSeconds, outcomeCounter } from '@countersign/observability';
import { type SubmittedSecret } from '@countersign/verification-client';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { ApiIdempotencyKey, IdempotencyKey } from '../http/idempotency-key.js';
import { RestRequestLimits } from '../http/request-limits.js';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';
import { questionRules } from './answer-rules.js';
import { RequestVerification, type Attempt } from './request-verification.use-case.js';
import { conflictProblem, verificationOf } from './verification-response.js';
import { CallVerification, PinChangeBody, Verification, VerificationBody } from './verifications.dto.js';

/** Attempts of callers by any method, and the state of their calls. */
@ApiTags('verifications')
@Controller('v1')
export class VerificationsController {
  readonly #outcomes = outcomeCounter();
  readonly #seconds = answerSeconds();

  constructor(
    private readonly requestVerification: RequestVerification,
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
    private readonly limits: RestRequestLimits,
  ) {}

  @Post('verifications')
  @HttpCode(200)
  @Requires('verify')
  @ApiOperation({ summary: 'Verify a caller; a refused attempt is 200 with its outcome' })
  @ApiOkResponse({ type: Verification, description: 'The outcome of the attempt.' })
  @ApiIdempotencyKey()
  @Problems('idempotency-mismatch', 'idempotency-in-flight', 'verification-ended', 'quota-exceeded')
  async verify(
    @CallingAgent() agent: AgentPublished,
    @Body() body: VerificationBody,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Verification> {
    const submitted = submittedIn(body);
    if (submitted.method === 'knowledge') {
      const violations = questionRules(submitted.answers, agent.policy.knowledge.questions);
      if (violations.length > 0) throw invalid(violations);
    }
    const attempt = {
      subject: subjectOf(body),
      callId: body.callId,
      callerPhone: body.e164CallerPhone(),
      submitted,
    };
    return verificationOf(await this.#decide(agent, attempt, key, reply), agent.policy.tellAttemptsLeft);
  }

  /** The current PIN is an attempt like any other: it is limited and counted. */
  @Post('tenants/:tenant/subjects/:subject/pin/change')
  @HttpCode(200)
  @Requires('verify')
  @ApiOperation({ summary: 'Change the PIN of a caller who knows the current one; this is an attempt like any other' })
  @ApiOkResponse({ type: Verification, description: 'The outcome of the attempt with the current PIN.' })
  @ApiIdempotencyKey()
  @Problems('idempotency-mismatch', 'idempotency-in-flight', 'verification-ended', 'quota-exceeded')
  async changePin(
    @CallingAgent() agent: AgentPublished,
    @Param() { subject: id }: SubjectPath,
    @Body() { currentPin, newPin, callId }: PinChangeBody,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Verification> {
    const submitted = { method: 'pin', pin: currentPin, newPin } as const;
    const attempt = { subject: { kind: 'id', id }, callId, submitted } as const;
    const decided = await this.#decide(agent, attempt, key, reply);
    if (decided.violations !== undefined) throw invalid(decided.violations);
    return verificationOf(decided, agent.policy.tellAttemptsLeft);
  }

  /** An unknown call, a call of another tenant and one whose verification has ended get the same answer: not verified. */
  @Get('calls/:callId/verification')
  @Requires('verify')
  @ApiOperation({
    summary:
      'Read the verification of a call: that of this agent, else that of an agent that its policy trusts; an unknown call is not verified',
  })
  @ApiOkResponse({ type: CallVerification, description: 'The verification of the call.' })
  @Problems('quota-exceeded', 'unavailable')
  async getCallVerification(
    @CallingAgent() caller: AgentPublished,
    @Param() { callId }: CallPath,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CallVerification> {
    await this.limits.admitQuery(caller, 'call_state', reply);
    const { tenant, agent } = caller;
    const query = message(CallStateRequested, { tenant, agent, callId });
    const answered = await this.bus.request(query, CallStateAnswered, this.timeout.milliseconds);
    const { verified, level, subject, verificationId, verifiedAt, expiresAt } = answered;
    return {
      verified,
      level,
      ...(subject === undefined ? {} : { subject }),
      ...(verificationId === undefined ? {} : { verificationId }),
      ...(verifiedAt === undefined ? {} : { verifiedAt }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
  }

  /** @throws Problem idempotency-mismatch, idempotency-in-flight, verification-ended, quota-exceeded */
  async #decide(
    agent: AgentPublished,
    attempt: Attempt,
    key: string | undefined,
    reply: FastifyReply,
  ): Promise<VerificationDecided> {
    const stop = this.#seconds.startTimer({ adapter: 'rest' });
    const decided = await this.requestVerification.execute(agent, attempt, key);
    stop();
    if (decided.conflict !== undefined) throw conflictProblem(decided.conflict);
    this.#outcomes.inc({ adapter: 'rest', outcome: decided.outcome });
    const headers = quotaHeaders(decided.quotas);
    if (decided.outcome === 'rate_limited' && decided.quotas !== undefined) {
      const all = { ...headers, 'retry-after': String(decided.retryAfterSeconds) };
      throw new Problem('quota-exceeded', undefined, all, shownLimit(decided.limitedBy));
    }
    void reply.headers(headers);
    return decided;
  }
}

function subjectOf(body: VerificationBody): Attempt['subject'] {
  const e164 = body.e164Phone();
  return e164 === undefined ? { kind: 'id', id: body.subject ?? '' } : { kind: 'phone', e164 };
}

/** The secret of the method. The rules of the body have proved that it is there. */
function submittedIn({ method, pin, answers }: VerificationBody): SubmittedSecret {
  switch (method) {
    case 'pin':
      return { method, pin: pin ?? '' };
    case 'knowledge':
      return { method, answers: answers ?? {} };
  }
}
