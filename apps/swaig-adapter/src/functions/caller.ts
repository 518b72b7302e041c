import {
  SUBJECT_PATTERN,
  type AgentPublished,
  type FieldsOf,
  type VerificationRequested,
} from '@countersign/contracts';
import { callerDigest, digestOf, phoneDigest } from '@countersign/crypto';
import { readCaller } from '@countersign/normalization';
import { type Identified } from '@countersign/verification-client';
import { readCustomerId } from '../speech/customer-id.js';
import { type FunctionCall } from './swaig-request.js';

/** Call ids that are passed on as they are; others are hashed, for no store has to bear what a stranger puts there. */
const PLAIN_CALL_ID = /^[\x21-\x7e]{1,256}$/;

/** Who calls. The digests must not leave this process but under a seal: they are as good as telephone numbers. */
export type Caller = Pick<
  FieldsOf<VerificationRequested>,
  'subjectIsCaller' | 'callId' | 'callerTail' | 'attestation'
> & { readonly subject: Identified['subject']; readonly caller: string };

/** The caller of a call, and the subject that he wants to be: the customer id where one is given, else his number. */
export function callerOf({ tenant, policy }: AgentPublished, call: FunctionCall): Caller {
  const { e164, attestation } = readCaller(call.caller, policy.defaultCountry);
  const callId = callIdOf(tenant, call);
  return {
    ...subjectOf(tenant, call, e164),
    ...(callId === undefined ? {} : { callId }),
    caller: e164 === undefined ? callerDigest(tenant, 'text', call.caller) : callerDigest(tenant, 'phone', e164),
    callerTail: e164?.slice(-2) ?? '',
    ...(attestation === undefined ? {} : { attestation }),
  };
}

/** The customer id among the arguments; empty when the model gave none, and for one that is asked for again. */
export function customerIdOf(call: FunctionCall): string {
  const given = readCustomerId(call.args['customer_id']);
  return given.kind === 'given' ? given.id : '';
}

/** An id or a caller that cannot be anybody's takes the same path as one that is nobody's: no answer tells them apart. */
function subjectOf(
  tenant: string,
  call: FunctionCall,
  e164: string | undefined,
): Pick<Caller, 'subject' | 'subjectIsCaller'> {
  const customerId = customerIdOf(call);
  if (customerId === '') {
    const digest = e164 === undefined ? digestOf('nobody', tenant, 'caller', call.caller) : phoneDigest(tenant, e164);
    return { subject: { kind: 'phone', digest }, subjectIsCaller: e164 !== undefined };
  }
  if (SUBJECT_PATTERN.test(customerId)) return { subject: { kind: 'id', id: customerId }, subjectIsCaller: false };
  const digest = digestOf('nobody', tenant, 'customer', customerId);
  return { subject: { kind: 'phone', digest }, subjectIsCaller: false };
}

/**
 * The call, in the form in which it may leave this process; undefined: the platform named none. Calls that run keep their ids
 * while `IDENTIFIER_KEY` is rotated: no key is in them.
 */
export function callIdOf(tenant: string, { callId }: FunctionCall): string | undefined {
  if (callId === '') return undefined;
  return PLAIN_CALL_ID.test(callId) ? callId : digestOf('call', tenant, callId);
}
