import { type AgentPublished } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { callerOf } from '../functions/caller.js';
import { type CaptureTokens } from './capture-token.js';
import { keypadReply, type SwaigReply } from '../replies/swaig-reply.js';
import { type FunctionCall } from '../functions/swaig-request.js';

/** Sends the caller to the keypad: the platform posts the digits to an address that is good for this call and one try. */
export class CollectPin {
  constructor(
    private readonly tokens: CaptureTokens,
    private readonly clock: Clock,
    /** The address in front of `/swaig` as the platform knows it. */
    private readonly publicUrl: () => string,
  ) {}

  /** Undefined: the platform said of no call that it is one, and an entry must belong to one. */
  execute(agent: AgentPublished, call: FunctionCall): SwaigReply | undefined {
    if (call.callId === '') return undefined;
    // The function has no arguments: whose PIN it is follows from the caller alone.
    const caller = callerOf(agent, { ...call, args: {} });
    const token = this.tokens.issue(agent, caller, this.clock.now());
    return keypadReply(agent.policy, `${this.publicUrl()}/swaig/capture/${token}`);
  }
}
