import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { callerDigest, digestOf, phoneDigest } from '@countersign/crypto';
import { VerificationClient, type AttemptDecision, type SubmittedSecret } from '@countersign/verification-client';

/** How long a repeated Idempotency-Key gets the stored answer: one day. */
const KEY_REPEAT_SECONDS = 86_400;
/** Without a key only the bus can repeat a request, within less than this time. */
const REDELIVERY_REPEAT_SECONDS = 60;

/** An attempt at a credential of a subject, which is named by id or by telephone number. */
export interface Attempt {
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly e164: string };
  readonly callId: string | undefined;
  /** The caller's number as the client states it, in E.164. Undefined: the request has no caller. */
  readonly callerPhone?: string | undefined;
  readonly submitted: SubmittedSecret;
}

/** Has an attempt limited, counted and compared by the other services. */
@Injectable()
export class RequestVerification {
  constructor(private readonly client: VerificationClient) {}

  /**
   * @param idempotencyKey the same key of the same agent gets the same answer for a day and costs no further attempt.
   * While the first request is in flight in this process, a second one is a conflict (draft-ietf-httpapi-idempotency-key-header,
   * section 2.6). If the first is in flight in another instance, the second waits for its answer.
   */
  async execute(
    agent: AgentPublished,
    { subject, callId, callerPhone, submitted }: Attempt,
    idempotencyKey: string | undefined,
  ): Promise<AttemptDecision> {
    const { tenant } = agent;
    const attempt = {
      command: {
        prefix: 'rest',
        // Agents that choose the same key do not share answers. Tenant and time of creation are covered too, because an agent
        // can be created under the id of a deleted one.
        digest:
          idempotencyKey === undefined
            ? undefined
            : digestOf('idempotency-key', tenant, agent.agent, agent.createdAt ?? '', idempotencyKey),
      },
      repeatSeconds: idempotencyKey === undefined ? REDELIVERY_REPEAT_SECONDS : KEY_REPEAT_SECONDS,
      channel: 'rest' as const,
      subject: subject.kind === 'id' ? subject : { kind: 'phone' as const, digest: phoneDigest(tenant, subject.e164) },
      subjectIsCaller: subject.kind === 'phone' && subject.e164 === callerPhone,
      caller: callerPhone === undefined ? undefined : callerDigest(tenant, 'phone', callerPhone),
      callerTail: callerPhone?.slice(-2) ?? '',
      ...(callId === undefined ? {} : { callId }),
      secret: submitted,
    };
    return this.client.decide(agent, attempt, 'refuse');
  }
}
