import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { digestOf } from '@countersign/crypto';
import { VerificationClient, type AttemptDecision, type SubmittedSecret } from '@countersign/verification-client';
import { callerOf } from './caller.js';
import { type FunctionCall } from './swaig-request.js';

/** How long a redelivery of the same call gets the same answer, in seconds. */
const REPEAT_SECONDS = 60;

/** Has the attempt of a function call limited, counted and compared by the other services. */
@Injectable()
export class VerifyCaller {
  constructor(private readonly client: VerificationClient) {}

  /**
   * The platform delivers a call again when it got no answer in time, and does not mark the redelivery. A delivery with the
   * same call, session, function and words of the model is a redelivery: it has the same command id, so it costs no attempt.
   * @param customerId of the subject; empty: the subject is the caller
   */
  async verify(
    agent: AgentPublished,
    call: FunctionCall,
    customerId: string,
    secret: SubmittedSecret,
  ): Promise<AttemptDecision> {
    const attempt = {
      ...callerOf(agent, call, customerId),
      command: { prefix: 'swaig', digest: commandDigestOf(agent, call, customerId, secret) },
      repeatSeconds: REPEAT_SECONDS,
      channel: 'swaig' as const,
      secret,
    };
    return this.client.decide(agent, attempt, 'join');
  }
}

/** Undefined without a call id: a redelivery cannot be distinguished from a second attempt, so each delivery counts. */
function commandDigestOf(
  agent: AgentPublished,
  call: FunctionCall,
  customerId: string,
  secret: SubmittedSecret,
): string | undefined {
  if (call.callId === '') return undefined;
  const words = call.rawArgument || JSON.stringify([secret, customerId]);
  return digestOf('command', ...deliveryOf(agent, call), words);
}

/** What two deliveries of the same call have in common, apart from the words of the model. */
export function deliveryOf({ tenant, agent, createdAt = '' }: AgentPublished, call: FunctionCall): string[] {
  return [tenant, agent, createdAt, call.callId, call.aiSessionId, call.functionName];
}
