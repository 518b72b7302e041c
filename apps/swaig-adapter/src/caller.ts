import {
  SUBJECT_PATTERN,
  type AgentPublished,
  type FieldsOf,
  type VerificationRequested,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/sealing';
import { readCaller } from '@countersign/service';
import { readCustomerId } from './customer-id.js';
import { type FunctionCall } from './swaig-request.js';

/** Call ids that are passed on as they are; others are hashed, for no store has to bear what a stranger puts there. */
const PLAIN_CALL_ID = /^[\x21-\x7e]{1,256}$/;

/** Who calls, in the form in which it may leave this process: no telephone number in clear. */
export type Caller = Pick<
  FieldsOf<VerificationRequested>,
  'subjectKind' | 'subjectRef' | 'subjectIsCaller' | 'callId' | 'callerTail' | 'attestation'
> & { readonly callerKey: string };

/** The caller of a call, and the subject that he wants to be: the customer id where one is given, else his number. */
export function callerOf({ tenant, policy }: AgentPublished, call: FunctionCall, hash: KeyedHash): Caller {
  const { e164, attestation } = readCaller(call.caller, policy.defaultCountry);
  const callId = callIdOf(tenant, call, hash);
  return {
    ...subjectOf(tenant, call, e164, hash),
    ...(callId === undefined ? {} : { callId }),
    callerKey: e164 === undefined ? hash.callerKey(tenant, 'text', call.caller) : hash.callerKey(tenant, 'phone', e164),
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
  hash: KeyedHash,
): Pick<Caller, 'subjectKind' | 'subjectRef' | 'subjectIsCaller'> {
  const customerId = customerIdOf(call);
  if (customerId === '') {
    const subjectRef =
      e164 === undefined ? hash.hash('nobody', tenant, 'caller', call.caller) : hash.hash('phone', tenant, e164);
    return { subjectKind: 'phone', subjectRef, subjectIsCaller: e164 !== undefined };
  }
  if (SUBJECT_PATTERN.test(customerId)) return { subjectKind: 'id', subjectRef: customerId, subjectIsCaller: false };
  const subjectRef = hash.hash('nobody', tenant, 'customer', customerId);
  return { subjectKind: 'phone', subjectRef, subjectIsCaller: false };
}

/** The call, in the form in which it may leave this process; undefined: the platform named none. */
export function callIdOf(tenant: string, { callId }: FunctionCall, hash: KeyedHash): string | undefined {
  if (callId === '') return undefined;
  return PLAIN_CALL_ID.test(callId) ? callId : hash.hash('call', tenant, callId);
}
