import { message, VerificationDecided } from '@countersign/contracts';
import { openReceipt, SealBrokenError } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';

/**
 * A success with its receipt in clear; any other decision as it is. A success without a receipt that was sealed for its
 * request is none: only the verification service could open the request, so nobody else who writes to the bus could have
 * sealed one.
 * @param replyKey the key that the request brought, for this answer alone
 * @throws ServiceError SEAL_BROKEN, not retriable: the success is not believed
 */
export function believeSuccess(decided: VerificationDecided, replyKey: string): VerificationDecided {
  if (decided.outcome !== 'verified') return decided;
  const { subjectId: sub, level, verificationId: jti } = decided;
  try {
    const receipt = openReceipt(decided.receipt, replyKey, { sub, level, jti });
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
