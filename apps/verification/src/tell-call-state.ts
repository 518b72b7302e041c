import { CallStateAnswered, message, type CallStateRequested } from '@countersign/contracts';
import { type CallStore } from './ports.js';

/** Tells what is known of the caller of a call: nothing, unless a success in it still holds. */
export class TellCallState {
  constructor(private readonly calls: CallStore) {}

  async execute({ tenant, callId }: CallStateRequested): Promise<CallStateAnswered> {
    const state = await this.calls.find(tenant, callId);
    if (!state) return message(CallStateAnswered, { verified: false, level: 'none' });
    const { level, subject, verificationId, verifiedAt, expiresAt } = state;
    return message(CallStateAnswered, { verified: true, level, subject, verificationId, verifiedAt, expiresAt });
  }
}
