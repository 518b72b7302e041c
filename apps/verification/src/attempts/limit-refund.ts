import {
  LimitRefundRequested,
  message,
  type VerificationAdmitted,
  type VerificationDecided,
} from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';

/**
 * A refund of the limits when nothing was compared and no attempt was counted because of a fault of the product. A new PIN that
 * breaks a rule gets no refund: that is the fault of the request, and it could be repeated for ever.
 */
export function refundOf(command: VerificationAdmitted, decided: VerificationDecided): Outgoing | undefined {
  const { outcome, verificationId, conflict, violations } = decided;
  if (outcome !== 'unavailable' || verificationId !== undefined || conflict || violations) return undefined;
  return refund(command);
}

/** The message that makes the limiter take back an admitted request. The limiter does so once per command. */
export function refund(command: VerificationAdmitted): Outgoing {
  const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller, callId, callerKey } = command;
  const { keyId, alsoNamed } = command;
  return {
    message: message(LimitRefundRequested, {
      ...{ commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller, keyId, alsoNamed },
      ...(callId === undefined ? {} : { callId }),
      ...(callerKey === undefined ? {} : { callerKey }),
    }),
  };
}
