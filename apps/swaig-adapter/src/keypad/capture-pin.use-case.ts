import { type AgentPublished } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type CaptureClaims } from './capture-token.js';
import { type FunctionResult } from '../functions/answer-call.use-case.js';
import { type SwaigRequestLimits } from '../http/request-limits.js';
import { readPin } from '../speech/spoken-digits.js';
import { decisionReply, textReply } from '../replies/swaig-reply.js';
import { type VerifyCaller } from '../functions/verify-caller.use-case.js';

/** How long verification repeats the answer of a token, in seconds. Longer than a token is valid, so it works only once. */
const ANSWER_RETENTION_SECONDS = 600;

/** Verifies the digits that the platform collected on the keypad: one attempt per token. */
export class CapturePin {
  constructor(
    private readonly verifyCaller: VerifyCaller,
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
    const { command, caller } = claims;
    if (pin === undefined) {
      const refusal = await this.limits.findRefusal(agent, caller.callId);
      return refusal ?? { reply: textReply(policy, 'bad_pin'), outcome: 'bad_argument' };
    }
    try {
      const decision = await this.verifyCaller.attempt(agent, {
        command,
        repeatSeconds: ANSWER_RETENTION_SECONDS,
        caller,
        guess: { method: 'pin', pin },
      });
      if (decision.conflict === 'mismatch') return { reply: textReply(policy, 'keypad_refused'), outcome: 'used' };
      const outcome = decision.conflict === undefined ? decision.outcome : 'unavailable';
      return { reply: decisionReply(decision, policy), outcome };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { reply: textReply(policy, 'unavailable'), outcome: 'unavailable', fault: error.code };
    }
  }
}
