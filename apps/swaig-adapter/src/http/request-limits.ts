import { randomUUID } from 'node:crypto';
import { type AgentPublished } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type VerificationClient } from '@countersign/verification-client';
import { renderText } from '../replies/render-text.js';
import { textReply, type SwaigReply } from '../replies/swaig-reply.js';

/** Why a request was not carried out. */
export interface RefusedFunction {
  readonly reply: SwaigReply;
  readonly outcome: 'rate_limited' | 'unavailable';
  readonly fault?: string;
}

/** The limits of call, agent and tenant for whatever brings no guess. Guesses are counted on their own path. */
export class SwaigRequestLimits {
  constructor(private readonly client: VerificationClient) {}

  /**
   * Undefined: the request may be carried out. Fails closed: without a decision it may not.
   * @param callId as it leaves this process; undefined: the platform named no call
   */
  async refusalOf(
    { tenant, agent, policy }: AgentPublished,
    callId: string | undefined,
  ): Promise<RefusedFunction | undefined> {
    try {
      const decision = await this.client.admit(policy, {
        ...{ commandId: `swaig-${randomUUID()}`, tenant, agent, channel: 'swaig', action: 'function' },
        ...(callId === undefined ? {} : { callId }),
      });
      switch (decision.outcome) {
        case 'admitted':
          return undefined;
        case 'rate_limited': {
          const seconds = String(decision.retryAfterSeconds ?? 1);
          return { reply: { response: renderText(policy, 'rate_limited', { seconds }) }, outcome: 'rate_limited' };
        }
        case 'unavailable':
          return { reply: textReply(policy, 'unavailable'), outcome: 'unavailable' };
      }
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { reply: textReply(policy, 'unavailable'), outcome: 'unavailable', fault: error.code };
    }
  }
}
