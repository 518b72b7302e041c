import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { Clock } from '@countersign/runtime';
import { callerOf } from '../functions/caller.js';
import { CaptureTokens } from './capture-token.js';
import { keypadReply, type SwaigReply } from '../replies/swaig-reply.js';
import { PublicUrl } from '../http/public-url.js';
import { type FunctionCall } from '../functions/swaig-request.js';

/** Starts a keypad entry. The platform posts the digits to an address that is valid for one attempt in this call. */
@Injectable()
export class CollectPin {
  constructor(
    private readonly tokens: CaptureTokens,
    private readonly clock: Clock,
    private readonly publicUrl: PublicUrl,
  ) {}

  /** Returns undefined without a call id, because an entry must belong to a call. */
  startEntry(agent: AgentPublished, call: FunctionCall): SwaigReply | undefined {
    if (call.callId === '') return undefined;
    // The subject of an entry is always the caller, whatever the arguments say.
    const caller = callerOf(agent, call);
    const token = this.tokens.issue(agent, caller, this.clock.now());
    return keypadReply(agent.policy, `${this.publicUrl.get()}/swaig/capture/${token}`);
  }
}
