import { message, VerificationDecided, type FieldsOf, type AttemptRequest } from '@countersign/contracts';
import { openReceipt, DecryptionError } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';

/**
 * Returns a success with its receipt in clear, and any other decision unchanged. The bus client has verified the signature of
 * the reply. Here the receipt is checked against the request: it must be encrypted with its reply key, and be for its tenant,
 * agent, call and method. A success that is repeated after the end of its receipt is returned without the receipt.
 * @param replyKey the key of the request, for this reply alone
 * @throws ServiceError SEAL_BROKEN, not retriable, if a check fails
 */
export function openSuccess(
  { tenant: aud, agent, callId: call_id, method }: FieldsOf<AttemptRequest>,
  decided: VerificationDecided,
  replyKey: string,
): VerificationDecided {
  if (decided.outcome !== 'verified') return decided;
  const { receipt: sealed, ...answer } = decided;
  const { subjectId: sub, level, verificationId: jti, repeatedAt } = answer;
  try {
    const { receipt, exp } = openReceipt(sealed, replyKey, { aud, sub, agent, call_id, level, method, jti });
    const isOver = repeatedAt !== undefined && exp * 1000 <= Date.parse(repeatedAt);
    return message(VerificationDecided, isOver ? answer : { ...answer, receipt });
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    throw new ServiceError('SEAL_BROKEN', 'a success without the receipt of its request was refused', false);
  }
}
