import { message, VerificationDecided, type FieldsOf, type GuessDescribed } from '@countersign/contracts';
import { openReceipt, SealBrokenError } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';

/**
 * A success with its receipt in clear; any other decision as it is. The bus client has checked who signed the answer. Here
 * the receipt is held against the request: it must be sealed under its key, for its tenant, agent, call and method.
 * @param replyKey the key that the request brought, for this answer alone
 * @throws ServiceError SEAL_BROKEN, not retriable: the success is not believed
 */
export function believeSuccess(
  { tenant: aud, agent, callId: call_id, method }: FieldsOf<GuessDescribed>,
  decided: VerificationDecided,
  replyKey: string,
): VerificationDecided {
  if (decided.outcome !== 'verified') return decided;
  const { subjectId: sub, level, verificationId: jti } = decided;
  try {
    const receipt = openReceipt(decided.receipt, replyKey, { aud, sub, agent, call_id, level, method, jti });
    return message(VerificationDecided, { ...decided, receipt });
  } catch (error) {
    if (!(error instanceof SealBrokenError)) throw error;
    throw new ServiceError(
      'SEAL_BROKEN',
      'A success came without the receipt of its request: it is not believed',
      false,
    );
  }
}
