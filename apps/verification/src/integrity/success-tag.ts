import { type KeyedHash } from '@countersign/crypto';
import { type RecordedSuccess } from '../calls/call-state.decision.js';

/**
 * Proves of what the ledger keeps of a success that this service wrote it. States of calls, receipts and repeated answers
 * rest on it: without a key that the database does not have, one UPDATE would verify anybody.
 */
export function successTag(hash: KeyedHash, tenant: string, success: RecordedSuccess): string {
  const { agent, callId, method, level, subject, incarnation, credentialVersion } = success;
  const { verificationId, verifiedAt, expiresAt } = success;
  // A request without a call is not one of a call with an empty name.
  const call = callId === undefined ? [] : [callId];
  const what = [agent, method, level, subject, incarnation, String(credentialVersion)];
  return hash.hash('success', tenant, ...what, verificationId, verifiedAt, expiresAt, ...call);
}
