import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { VerificationClient } from '@countersign/verification-client';
import { renderText } from '../replies/render-text.js';
import { textReply, type SwaigReply } from '../replies/swaig-reply.js';

/** The answer to a refused request. */
export interface RequestRefusal {
  readonly reply: SwaigReply;
  readonly outcome: 'rate_limited' | 'unavailable';
  readonly fault?: string;
}

/** Applies the limits of call, agent and tenant to requests without an attempt. Attempts are limited on their own path. */
@Injectable()
export class SwaigRequestLimits {
  constructor(private readonly client: VerificationClient) {}

  /**
   * Returns undefined if the request is admitted. Fails closed: without a decision the request is refused.
   * @param callId the call id in its outgoing form; undefined if the platform sent none
   */
  async findRefusal(
    { tenant, agent, policy }: AgentPublished,
    callId: string | undefined,
  ): Promise<RequestRefusal | undefined> {
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
