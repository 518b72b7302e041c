import {
  LimitRefundRequested,
  message,
  type VerificationAdmitted,
  type VerificationDecided,
} from '@countersign/contracts';
import { type Outgoing } from '@countersign/messaging';

/**
 * Nothing was looked at and no try is spent: the fault is ours, and the caller's limits are given back. Not for a new PIN
 * that breaks a rule: the fault is the asker's, who could ask so for ever.
 */
export function refundOf(command: VerificationAdmitted, decided: VerificationDecided): Outgoing | undefined {
  const { outcome, verificationId, conflict, violations } = decided;
  if (outcome !== 'unavailable' || verificationId !== undefined || conflict || violations) return undefined;
  return refund(command);
}

/** Asks the limiter to take back what it let through. It does so once for a command, however often it is asked. */
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
