import { message, VerificationDecided, type FieldsOf, type AttemptRequest } from '@countersign/contracts';
import { openReceipt, DecryptionError } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';

/**
 * A success with its receipt in clear; any other decision as it is. The bus client has checked who signed the answer. Here
 * the receipt is held against the request: it must be sealed under its key, for its tenant, agent, call and method. A
 * success that is repeated after the end of its receipt is given without the receipt.
 * @param replyKey the key that the request brought, for this answer alone
 * @throws ServiceError SEAL_BROKEN, not retriable: the success is not believed
 */
export function believeSuccess(
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
    throw new ServiceError(
      'SEAL_BROKEN',
      'A success came without the receipt of its request: it is not believed',
      false,
    );
  }
}
