import { type AgentPublished, type Outcome } from '@countersign/contracts';
import { ServiceError } from '@countersign/service';
import { isOffered } from './function-definitions.js';
import { pinFrom } from './spoken-digits.js';
import { replyTo, say, type SwaigReply } from './swaig-reply.js';
import { type FunctionCall } from './swaig-request.js';
import { type VerifyCaller } from './verify-caller.js';

/** An answer, and what may be told of it in the log and in metrics. */
export interface Answer {
  readonly reply: SwaigReply;
  readonly outcome: Outcome | 'bad_argument' | 'after_hang_up' | 'not_offered' | 'noted';
  /** Code of the fault that made the outcome `unavailable`. */
  readonly fault?: string;
}

/** Functions that the platform calls by itself; both spellings of the hooks are in its documents. */
const PLATFORM_FUNCTIONS: ReadonlySet<string> = new Set([
  'startup_hook',
  'start_hook',
  'hangup_hook',
  'stop_hook',
  'summarize_conversation',
]);

/** Answers a function call: decides which function it is, and that nothing happens unless it is offered and allowed. */
export class AnswerCall {
  constructor(private readonly verifyCaller: VerifyCaller) {}

  async execute(agent: AgentPublished, call: FunctionCall): Promise<Answer> {
    const { policy } = agent;
    const { functionName } = call;
    if (PLATFORM_FUNCTIONS.has(functionName)) return { reply: say(policy, 'noted'), outcome: 'noted' };
    if (!isOffered(functionName) || !policy.functions.includes(functionName)) {
      return { reply: say(policy, 'not_offered'), outcome: 'not_offered' };
    }
    // A late delivery: whoever spoke is gone, and an attempt or a transfer would hit somebody else's next call.
    if (call.afterHangUp) return { reply: say(policy, 'after_hang_up'), outcome: 'after_hang_up' };
    switch (functionName) {
      case 'verify_pin':
        return this.#verifyPin(agent, call);
    }
  }

  async #verifyPin(agent: AgentPublished, call: FunctionCall): Promise<Answer> {
    const { policy } = agent;
    const pin = pinFrom(call.args['pin']);
    if (pin === undefined) return { reply: say(policy, 'bad_pin'), outcome: 'bad_argument' };
    try {
      const decision = await this.verifyCaller.execute(agent, call, pin);
      const outcome = decision.conflict === undefined ? decision.outcome : 'unavailable';
      return { reply: replyTo(decision, policy), outcome };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { reply: say(policy, 'unavailable'), outcome: 'unavailable', fault: error.code };
    }
  }
}
