import { Body, Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import { type AgentPublished, type VerificationDecided } from '@countersign/contracts';
import { answerSeconds, outcomeCounter } from '@countersign/observability';
import { type FastifyReply } from 'fastify';
import { CallingAgent, Requires } from './authenticate.js';
import { VerificationBody } from './bodies.js';
import { Problem } from './problems.js';
import { quotaHeaders } from './quota-headers.js';
import { readBody, readName } from './read-body.js';
import { VerifyPin, type Guess } from './verify-pin.js';

const KEY_PATTERN = /^[\x20-\x7e]{1,255}$/;

/** What the asker learns: a refused guess tells nothing about the subject. */
export interface VerificationAnswer {
  readonly verificationId?: string;
  readonly outcome: VerificationDecided['outcome'];
  readonly level: VerificationDecided['level'];
  readonly attemptsLeft?: number;
  readonly retryAfterSeconds?: number;
  /** Only after a success. */
  readonly receipt?: string;
}

@Controller('v1/verifications')
export class VerificationsController {
  readonly #outcomes = outcomeCounter();
  readonly #seconds = answerSeconds();

  constructor(private readonly verifyPin: VerifyPin) {}

  @Post()
  @HttpCode(200)
  @Requires('verify')
  async verify(
    @CallingAgent() agent: AgentPublished,
    @Body() raw: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationAnswer> {
    const body = readBody(VerificationBody, raw);
    if (key !== undefined) readName('Idempotency-Key', key, KEY_PATTERN, 'must be 1 to 255 printable ASCII characters');
    const stop = this.#seconds.startTimer({ adapter: 'rest' });
    const decided = await this.verifyPin.execute(agent, guessOf(body), key);
    stop();
    if (decided.conflict !== undefined) throw conflictProblem(decided.conflict);
    this.#outcomes.inc({ adapter: 'rest', outcome: decided.outcome });
    const headers = quotaHeaders(agent, decided.quotas);
    if (decided.outcome === 'rate_limited' && decided.quotas !== undefined) {
      throw new Problem('quota-exceeded', undefined, { ...headers, 'retry-after': String(decided.retryAfterSeconds) });
    }
    void reply.headers(headers);
    return answerOf(decided, agent.policy.tellAttemptsLeft);
  }
}

function guessOf(body: VerificationBody): Guess {
  const e164 = body.e164Phone();
  const subject: Guess['subject'] =
    e164 === undefined ? { kind: 'id', id: body.subject ?? '' } : { kind: 'phone', e164 };
  return { subject, callId: body.callId, pin: body.pin };
}

function answerOf(decided: VerificationDecided, tellAttemptsLeft: boolean): VerificationAnswer {
  const { verificationId, level, attemptsLeft, retryAfterSeconds, receipt } = decided;
  return {
    ...(verificationId === undefined ? {} : { verificationId }),
    outcome: shown(decided.outcome),
    level,
    ...(attemptsLeft === undefined || !tellAttemptsLeft ? {} : { attemptsLeft }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(receipt === undefined ? {} : { receipt }),
  };
}

/** One answer for locked, disabled and spent: which of them it is would tell a guesser how far he got. */
function shown(outcome: VerificationDecided['outcome']): VerificationDecided['outcome'] {
  return outcome === 'disabled' ? 'locked' : outcome;
}

function conflictProblem(conflict: 'mismatch' | 'in_flight'): Problem {
  switch (conflict) {
    case 'mismatch':
      return new Problem('idempotency-mismatch');
    case 'in_flight':
      return new Problem('idempotency-in-flight');
  }
}
