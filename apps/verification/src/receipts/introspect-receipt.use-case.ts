import { Inject, Injectable } from '@nestjs/common';
import {
  bindingOf,
  type FactRecorded,
  message,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
  factRecorded,
} from '@countersign/contracts';
import { type ReceiptClaims, ReceiptKeys } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { CallPolicies, VerificationRecords } from '../calls/calls.ports.js';
import { RECEIPT_TERMS, type ReceiptTerms } from './issue-receipt.use-case.js';
import { ReceiptStore } from './receipts.ports.js';
import { SealedPayloads } from '../attempts/attempts.ports.js';
import { stateFor } from '../calls/call-state.decision.js';

/**
 * Decides whether a receipt is active for the agent that presents it, and consumes it on request. The verification in it must
 * still hold for that agent. The reply never gives a reason: expired, consumed, forged, of another tenant and of another
 * agent look the same.
 */
@Injectable()
export class IntrospectReceipt {
  constructor(
    private readonly keys: ReceiptKeys,
    private readonly payloads: SealedPayloads,
    private readonly receipts: ReceiptStore,
    private readonly records: VerificationRecords,
    private readonly policies: CallPolicies,
    @Inject(RECEIPT_TERMS) private readonly terms: ReceiptTerms,
  ) {}

  /** @throws ServiceError retriable, when the database does not respond; the receipt may or may not be consumed then */
  async introspect(query: ReceiptIntrospectionRequested): Promise<ReceiptIntrospected> {
    const { commandId, tenant, callId } = query;
    const claims = await this.#open(query);
    const refused = message(ReceiptIntrospected, { commandId, active: false });
    if (claims === undefined || claims.iss !== this.terms.issuer || claims.aud !== tenant) return refused;
    if (callId !== undefined && claims.call_id !== callId) return refused;
    const verification = await this.#findVerification(query, claims);
    if (verification === undefined) return refused;
    const receipt = { tenant, jti: claims.jti, expiresAt: claims.exp };
    const isActive = query.consume
      ? await this.receipts.consume(commandId, receipt, (time) => consumed(query, claims, time))
      : !(await this.receipts.isSpent(receipt));
    return isActive
      ? message(ReceiptIntrospected, { commandId, active: true, claims: { ...claims, ...verification } })
      : refused;
  }

  /** Level and end of the verification for the agent that presents the receipt; undefined: it does not hold for that agent. */
  async #findVerification(
    { tenant, agent }: ReceiptIntrospectionRequested,
    claims: ReceiptClaims,
  ): Promise<Pick<ReceiptClaims, 'level' | 'exp'> | undefined> {
    const policy = this.policies.of(tenant, agent);
    const record = policy && (await this.records.find(tenant, claims.jti, agent));
    if (policy === undefined || record === undefined || claims.exp * 1000 <= record.readAt) return undefined;
    const state = stateFor({ agent, policy }, record, this.policies.of(tenant, record.agent));
    return state && { level: state.level, exp: Math.min(claims.exp, Math.floor(Date.parse(state.expiresAt) / 1000)) };
  }

  async #open(query: ReceiptIntrospectionRequested): Promise<ReceiptClaims | undefined> {
    try {
      const { receipt } = await this.payloads.open(query.sealed, bindingOf(ReceiptIntrospectionRequested, query));
      return typeof receipt === 'string' ? this.keys.verify(receipt) : undefined;
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }
}

function consumed(
  query: ReceiptIntrospectionRequested,
  { sub: subject, jti, call_id: callId }: ReceiptClaims,
  time: Date,
): FactRecorded {
  return factRecorded('receipt.consumed', time, {
    tenant: query.tenant,
    agent: query.agent,
    subject,
    ...(callId === undefined ? {} : { callId }),
    verificationId: jti,
    commandId: query.commandId,
  });
}
