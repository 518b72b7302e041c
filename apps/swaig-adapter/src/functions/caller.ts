import {
  SUBJECT_PATTERN,
  type AgentPublished,
  type FieldsOf,
  type VerificationRequested,
} from '@countersign/contracts';
import { callerDigest, digestOf, phoneDigest } from '@countersign/crypto';
import { readCaller } from '@countersign/normalization';
import { type ReceivedAttempt } from '@countersign/verification-client';
import { type FunctionCall } from './swaig-request.js';

/** Call ids that are sent unchanged. Other call ids are hashed, because clients could choose text that no store accepts. */
const PLAIN_CALL_ID = /^[\x21-\x7e]{1,256}$/;

/** The caller and the subject as digests. Anyone can compute a digest of every telephone number, so they leave this process only sealed. */
export type Caller = Pick<
  FieldsOf<VerificationRequested>,
  'subjectIsCaller' | 'callId' | 'callerTail' | 'attestation'
> & { readonly subject: ReceivedAttempt['subject']; readonly caller: string };

/**
 * Identifies the caller of a call and the subject to verify.
 * @param customerId of the subject; empty: the subject is the caller. Not read from the call here, because reading costs time
 */
export function callerOf({ tenant, policy }: AgentPublished, call: FunctionCall, customerId = ''): Caller {
  const { e164, attestation } = readCaller(call.caller, policy.defaultCountry);
  const callId = callIdOf(tenant, call);
  return {
    ...subjectOf(tenant, call, e164, customerId),
    ...(callId === undefined ? {} : { callId }),
    caller: e164 === undefined ? callerDigest(tenant, 'text', call.caller) : callerDigest(tenant, 'phone', e164),
    callerTail: e164?.slice(-2) ?? '',
    ...(attestation === undefined ? {} : { attestation }),
  };
}

/** A customer id or a caller that no subject can have becomes a reference of an unknown subject, so answers do not differ. */
function subjectOf(
  tenant: string,
  call: FunctionCall,
  e164: string | undefined,
  customerId: string,
): Pick<Caller, 'subject' | 'subjectIsCaller'> {
  if (customerId === '') {
    const digest = e164 === undefined ? digestOf('unknown', tenant, 'caller', call.caller) : phoneDigest(tenant, e164);
    return { subject: { kind: 'phone', digest }, subjectIsCaller: e164 !== undefined };
  }
  if (SUBJECT_PATTERN.test(customerId)) return { subject: { kind: 'id', id: customerId }, subjectIsCaller: false };
  const digest = digestOf('unknown', tenant, 'customer', customerId);
  return { subject: { kind: 'phone', digest }, subjectIsCaller: false };
}

/**
 * The call id in its outgoing form; undefined if the platform sent none. It depends on no key, so a call keeps its id while
 * `IDENTIFIER_KEY` is rotated.
 */
export function callIdOf(tenant: string, { callId }: FunctionCall): string | undefined {
  if (callId === '') return undefined;
  return PLAIN_CALL_ID.test(callId) ? callId : digestOf('call', tenant, callId);
}
