import { v7 as uuid } from 'uuid';
import {
  FactRecorded,
  message,
  VerificationAdmitted,
  VerificationDecided,
  type Limit,
  type VerificationRequested,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/service';
import { type LimitPolicies, type LimitStore, type LimitDecision } from './ports.js';

/**
 * Lets a request through to the verification service, its seal untouched, or answers it. Fails closed: without a store
 * and without a policy nothing passes, and the caller hears so at once instead of at the time-out.
 */
export class AdmitRequest {
  constructor(
    private readonly store: LimitStore,
    private readonly policies: LimitPolicies,
  ) {}

  async execute(request: VerificationRequested): Promise<VerificationAdmitted | VerificationDecided> {
    const limit = this.policies.callerLimit(request.tenant, request.agent);
    const decision = limit && (await this.#decide(request, limit));
    if (!decision) return decided(request, { outcome: 'unavailable' });
    if (decision.admitted) return message(VerificationAdmitted, request);
    return decided(request, {
      outcome: 'rate_limited',
      ...(decision.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: decision.retryAfterSeconds }),
    });
  }

  async #decide(request: VerificationRequested, limit: Limit): Promise<LimitDecision | undefined> {
    try {
      return await this.store.admit({
        key: `caller:${request.callerKey}`,
        commandId: request.commandId,
        limit,
        refusal: refusal(request, limit),
      });
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'DATABASE_UNAVAILABLE') return undefined;
      throw error;
    }
  }
}

function decided(
  request: VerificationRequested,
  answer: Pick<VerificationDecided, 'outcome' | 'retryAfterSeconds'>,
): VerificationDecided {
  return message(VerificationDecided, { commandId: request.commandId, level: 'none', ...answer });
}

function refusal(request: VerificationRequested, limit: Limit): FactRecorded {
  return message(FactRecorded, {
    factId: uuid(),
    kind: 'limit.refused',
    time: new Date(0).toISOString(),
    tenant: request.tenant,
    agent: request.agent,
    ...(request.callId === undefined ? {} : { callId: request.callId }),
    callerKey: request.callerKey,
    callerTail: request.callerTail,
    commandId: request.commandId,
    method: request.method,
    channel: request.channel,
    outcome: 'rate_limited',
    detail: { dimension: 'caller', limit: limit.limit, periodSeconds: limit.periodSeconds },
  });
}
