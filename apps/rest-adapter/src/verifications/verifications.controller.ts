import { Body, Controller, Headers, HttpCode, Param, Post, Res } from '@nestjs/common';
import { NAME_PATTERN, SUBJECT_PATTERN, type AgentPublished, type VerificationDecided } from '@countersign/contracts';
import { answerSeconds, outcomeCounter } from '@countersign/observability';
import { askedRules } from './answer-rules.js';
import { type FastifyReply } from 'fastify';
import { CallingAgent, Requires } from '../http/authenticate.js';
import { NAME_RULE, PinChangeBody, SUBJECT_RULE, VerificationBody } from '../management/bodies.js';
import { Problem } from '../http/problems.js';
import { quotaHeaders } from '../http/quota-headers.js';
import { invalid, readBody, readName } from '../http/read-body.js';
import { type SubmittedSecret } from '@countersign/verification-client';
import { RequestVerification, type Attempt } from './request-verification.use-case.js';
import { answerOf, conflictProblem, type VerificationAnswer } from './verification-response.js';

const KEY_PATTERN = /^[\x20-\x7e]{1,255}$/;

/** Guesses of callers, of any method. */
@Controller('v1')
export class VerificationsController {
  readonly #outcomes = outcomeCounter();
  readonly #seconds = answerSeconds();

  constructor(private readonly requestVerification: RequestVerification) {}

  @Post('verifications')
  @HttpCode(200)
  @Requires('verify')
  async verify(
    @CallingAgent() agent: AgentPublished,
    @Body() raw: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationAnswer> {
    const body = readBody(VerificationBody, raw);
    const guessed = guessedOf(body);
    if (guessed.method === 'knowledge') {
      const violations = askedRules(guessed.answers, agent.policy.knowledge.questions);
      if (violations.length > 0) throw invalid(violations);
    }
    const decided = await this.#decide(agent, guessOf(body, guessed), key, reply);
    return answerOf(decided, agent.policy.tellAttemptsLeft);
  }

  /** The current PIN is a guess like any other: it is limited and counted. */
  @Post('tenants/:tenant/subjects/:subject/pin/change')
  @HttpCode(200)
  @Requires('verify')
  async changePin(
    @CallingAgent() agent: AgentPublished,
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationAnswer> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const id = readName('subject', subjectId, SUBJECT_PATTERN, SUBJECT_RULE);
    if (tenant !== agent.tenant) throw new Problem('not-found');
    const { currentPin, newPin, callId } = readBody(PinChangeBody, raw);
    const guessed = { method: 'pin', pin: currentPin, newPin } as const;
    const decided = await this.#decide(agent, { subject: { kind: 'id', id }, callId, submitted: guessed }, key, reply);
    if (decided.violations !== undefined) throw invalid(decided.violations);
    return answerOf(decided, agent.policy.tellAttemptsLeft);
  }

  /** @throws Problem idempotency-mismatch, idempotency-in-flight, quota-exceeded */
  async #decide(
    agent: AgentPublished,
    guess: Attempt,
    key: string | undefined,
    reply: FastifyReply,
  ): Promise<VerificationDecided> {
    if (key !== undefined) readName('Idempotency-Key', key, KEY_PATTERN, 'must be 1 to 255 printable ASCII characters');
    const stop = this.#seconds.startTimer({ adapter: 'rest' });
    const decided = await this.requestVerification.execute(agent, guess, key);
    stop();
    if (decided.conflict !== undefined) throw conflictProblem(decided.conflict);
    this.#outcomes.inc({ adapter: 'rest', outcome: decided.outcome });
    const headers = quotaHeaders(decided.quotas);
    if (decided.outcome === 'rate_limited' && decided.quotas !== undefined) {
      throw new Problem('quota-exceeded', undefined, { ...headers, 'retry-after': String(decided.retryAfterSeconds) });
    }
    void reply.headers(headers);
    return decided;
  }
}

function guessOf(body: VerificationBody, guessed: SubmittedSecret): Attempt {
  return { subject: subjectOf(body), callId: body.callId, callerPhone: body.e164CallerPhone(), submitted: guessed };
}

function subjectOf(body: VerificationBody): Attempt['subject'] {
  const e164 = body.e164Phone();
  return e164 === undefined ? { kind: 'id', id: body.subject ?? '' } : { kind: 'phone', e164 };
}

/** The body was checked: the method has what belongs to it. */
function guessedOf({ method, pin, answers }: VerificationBody): SubmittedSecret {
  switch (method) {
    case 'pin':
      return { method, pin: pin ?? '' };
    case 'knowledge':
      return { method, answers: answers ?? {} };
  }
}
