import { type AgentPublished } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type Capture } from './capture-token.js';
import { type FunctionResult } from '../functions/answer-call.use-case.js';
import { type SwaigRequestLimits } from '../http/request-limits.js';
import { readPin } from '../speech/spoken-digits.js';
import { replyTo, say } from '../replies/swaig-reply.js';
import { type VerifyCaller } from '../functions/verify-caller.use-case.js';

/** How long the one answer to a token is kept, in seconds: longer than the token lives, so that it cannot be used twice. */
const REPEAT_SECONDS = 600;

/** Takes the digits that the platform collected from the keypad: one try, decided once. */
export class CapturePin {
  constructor(
    private readonly verifyCaller: VerifyCaller,
    private readonly limits: SwaigRequestLimits,
  ) {}

  /**
   * The first digits that have the form of a PIN are the try. The same digits again get the same answer, which spends
   * nothing; others are refused by the services, to whom it is the same command with another content.
   * @param digits as they were keyed in
   */
  async execute(agent: AgentPublished, capture: Capture, digits: unknown): Promise<FunctionResult> {
    const { policy } = agent;
    const pin = readPin(digits);
    const { command, caller } = capture;
    if (pin === undefined) {
      const refusal = await this.limits.refusalOf(agent, caller.callId);
      return refusal ?? { reply: say(policy, 'bad_pin'), outcome: 'bad_argument' };
    }
    try {
      const decision = await this.verifyCaller.attempt(agent, {
        command,
        repeatSeconds: REPEAT_SECONDS,
        caller,
        guess: { method: 'pin', pin },
      });
      if (decision.conflict === 'mismatch') return { reply: say(policy, 'keypad_refused'), outcome: 'used' };
      const outcome = decision.conflict === undefined ? decision.outcome : 'unavailable';
      return { reply: replyTo(decision, policy), outcome };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { reply: say(policy, 'unavailable'), outcome: 'unavailable', fault: error.code };
    }
  }
}
