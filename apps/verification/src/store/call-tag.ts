import { type KeyedHash } from '@countersign/sealing';
import { type CallState } from '../domain/call-state.js';

/**
 * Proves of the state of a call that this service wrote it: all that is told of the call, and whose call it is. Backends ask
 * for that state in the place of a receipt.
 */
export function callTag(hash: KeyedHash, tenant: string, callId: string, state: CallState): string {
  const { agent, level, subject, verificationId, verifiedAt, expiresAt } = state;
  return hash.hash('call', tenant, callId, agent, level, subject, verificationId, verifiedAt, expiresAt);
}
