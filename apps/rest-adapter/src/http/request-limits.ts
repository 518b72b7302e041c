import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Problem, quotaHeaders, shownLimit } from '@countersign/api';
import { type AgentPublished, type FieldsOf, type LimitRequested, type Policy } from '@countersign/contracts';
import { VerificationClient } from '@countersign/verification-client';
import { type FastifyReply } from 'fastify';

/** The limits of requests without an attempt. Attempts are counted on their own path. */
@Injectable()
export class RestRequestLimits {
  constructor(private readonly client: VerificationClient) {}

  /**
   * Counts a query against the quotas of agent and tenant, and shows what remains of them in the headers of the answer.
   * @throws Problem quota-exceeded, unavailable
   * @throws ServiceError when there is no decision in time
   */
  async admitQuery(
    { tenant, agent, policy }: AgentPublished,
    action: 'call_state' | 'introspection',
    reply: FastifyReply,
  ): Promise<void> {
    void reply.headers(await this.#admit(policy, { tenant, agent, action }));
  }

  /**
   * Counts an enrolment: a new PIN costs up to six hashes, new answers one each.
   * @throws Problem quota-exceeded, unavailable
   * @throws ServiceError when there is no decision in time
   */
  async admitEnrolment(tenant: string, subject: string): Promise<void> {
    await this.#admit(undefined, { tenant, subject, action: 'enrolment' });
  }

  /** @returns the headers that show the quotas of the client */
  async #admit(
    policy: Policy | undefined,
    request: Pick<FieldsOf<LimitRequested>, 'tenant' | 'agent' | 'action' | 'subject'>,
  ): Promise<Record<string, string>> {
    const commandId = `rest-${randomUUID()}`;
    const decision = await this.client.admit(policy, { commandId, channel: 'rest', ...request });
    // The quotas of a tenant's callers are different ones, so an enrolment shows none.
    const headers = request.action === 'enrolment' ? {} : quotaHeaders(decision.quotas);
    switch (decision.outcome) {
      case 'admitted':
        return headers;
      case 'rate_limited': {
        const retryAfter = { 'retry-after': String(decision.retryAfterSeconds ?? 1) };
        const all = { ...headers, ...retryAfter };
        throw new Problem('quota-exceeded', undefined, all, shownLimit(decision.limitedBy));
      }
      case 'unavailable':
        throw new Problem('unavailable');
    }
  }
}
