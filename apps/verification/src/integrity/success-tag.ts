import { type KeyedHash } from '@countersign/crypto';
import { type RecordedSuccess } from '../calls/call-state.decision.js';

/**
 * Proves that this service wrote a success in the ledger. States of calls, receipts and repeated replies depend on it. Without
 * a key that the database does not have, one UPDATE could forge a verification.
 */
export function successTag(hash: KeyedHash, tenant: string, success: RecordedSuccess): string {
  const { agent, agentCreatedAt, callId, method, level, subject, incarnation, credentialVersion } = success;
  const { verificationId, verifiedAt, expiresAt } = success;
  // A request without a call differs from a call with an empty id.
  const call = callId === undefined ? [] : [callId];
  // Successes without the time were tagged with the id alone. No id has a space.
  const by = agentCreatedAt === undefined ? agent : `${agent} ${agentCreatedAt}`;
  const what = [by, method, level, subject, incarnation, String(credentialVersion)];
  return hash.hash('success', tenant, ...what, verificationId, verifiedAt, expiresAt, ...call);
}
