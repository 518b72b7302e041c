import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { VerificationClient } from '@countersign/verification-client';
import { type CaptureClaims } from './capture-token.js';
import { attemptResult, type FunctionResult } from '../functions/answer-call.use-case.js';
import { SwaigRequestLimits } from '../http/request-limits.js';
import { readPin } from '../speech/spoken-digits.js';
import { textReply } from '../replies/swaig-reply.js';

/** How long verification repeats the answer of a token, in seconds. Longer than a token is valid, so it works only once. */
const ANSWER_RETENTION_SECONDS = 600;

/** Verifies the digits that the platform collected on the keypad: one attempt per token. */
@Injectable()
export class CapturePin {
  constructor(
    private readonly client: VerificationClient,
    private readonly limits: SwaigRequestLimits,
  ) {}

  /**
   * The first well-formed PIN is the attempt. The same digits again get the same answer and count no attempt. Verification
   * refuses other digits, because the command id was used with other content.
   * @param digits as the caller keyed them in
   */
  async verify(agent: AgentPublished, claims: CaptureClaims, digits: unknown): Promise<FunctionResult> {
    const { policy } = agent;
    const pin = readPin(digits);
    const { digest, caller } = claims;
    if (pin === undefined) {
      const refusal = await this.limits.findRefusal(agent, caller.callId);
      return refusal ?? { reply: textReply(policy, 'bad_pin'), outcome: 'bad_argument' };
    }
    const attempt = {
      ...caller,
      command: { prefix: 'capture', digest },
      repeatSeconds: ANSWER_RETENTION_SECONDS,
      channel: 'swaig' as const,
      secret: { method: 'pin' as const, pin },
    };
    const decision = await this.client.decide(agent, attempt, 'join');
    if (decision.conflict === 'mismatch') return { reply: textReply(policy, 'keypad_refused'), outcome: 'used' };
    return attemptResult(decision, policy);
  }
}
