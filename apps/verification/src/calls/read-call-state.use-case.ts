import { Injectable } from '@nestjs/common';
import { CallStateAnswered, message, type CallStateRequested } from '@countersign/contracts';
import { CallPolicies, VerificationRecords } from './calls.ports.js';
import { currentState, stateFor } from './call-state.decision.js';

/** Returns the verification of a call for an agent: none, unless a success that counts for this agent still holds. */
@Injectable()
export class ReadCallState {
  constructor(
    private readonly records: VerificationRecords,
    private readonly policies: CallPolicies,
  ) {}

  async read({ tenant, agent, callId }: CallStateRequested): Promise<CallStateAnswered> {
    const unknown = message(CallStateAnswered, { verified: false, level: 'none' });
    const policy = this.policies.of(tenant, agent);
    if (policy === undefined) return unknown;
    const reader = { agent, policy };
    const records = await this.records.ofCall(tenant, callId, [agent, ...policy.trustsCallsOf], agent);
    const states = records.flatMap((record) => stateFor(reader, record, this.policies.of(tenant, record.agent)) ?? []);
    const state = currentState(states, reader);
    if (state === undefined) return unknown;
    const { level, subject, verificationId, verifiedAt, expiresAt } = state;
    return message(CallStateAnswered, { verified: true, level, subject, verificationId, verifiedAt, expiresAt });
  }
}
