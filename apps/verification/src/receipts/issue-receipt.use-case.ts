import { Inject, Injectable } from '@nestjs/common';
import { message, VerificationDecided, type VerificationAdmitted } from '@countersign/contracts';
import { sealReply, type ReceiptClaims, ReceiptKeys } from '@countersign/crypto';
import { type OpenedCommand } from '../attempts/open-command.js';

/** Injects the {@link ReceiptTerms}. */
export const RECEIPT_TERMS = Symbol('terms of receipts');

/** What all receipts of an installation share. */
export interface ReceiptTerms {
  /** The claim `iss`. */
  readonly issuer: string;
  /** Lifetime of a receipt in seconds, at most 300. */
  readonly seconds: number;
}

/**
 * Adds the receipt to the reply of a success, encrypted for the requester. It is issued after the outcome is durable and from
 * the outcome alone, so a repeated command gets the same receipt and no receipt is stored.
 */
@Injectable()
export class IssueReceipt {
  constructor(
    private readonly keys: ReceiptKeys,
    @Inject(RECEIPT_TERMS) private readonly terms: ReceiptTerms,
  ) {}

  /** Returns the reply with a receipt after a success whose request had a reply key, else unchanged. */
  attach({ received, replyKey }: OpenedCommand, decided: VerificationDecided): VerificationDecided {
    const claims = claimsOf(received, decided, this.terms);
    if (claims === undefined) return decided;
    const receipt = sealReply(this.keys.sign(claims), replyKey);
    return receipt === undefined ? decided : message(VerificationDecided, { ...decided, receipt });
  }
}

function claimsOf(
  command: VerificationAdmitted,
  { outcome, level, subjectId, verificationId, verifiedAt, expiresAt }: VerificationDecided,
  { issuer, seconds }: ReceiptTerms,
): ReceiptClaims | undefined {
  if (outcome !== 'verified' || subjectId === undefined || verificationId === undefined) return undefined;
  if (verifiedAt === undefined || expiresAt === undefined) return undefined;
  const iat = Math.floor(Date.parse(verifiedAt) / 1000);
  return {
    iss: issuer,
    aud: command.tenant,
    sub: subjectId,
    ...(command.callId === undefined ? {} : { call_id: command.callId }),
    agent: command.agent,
    level,
    method: command.method,
    jti: verificationId,
    iat,
    // Whole seconds, rounded down: a receipt must not outlive the verification that it states.
    exp: Math.min(iat + seconds, Math.floor(Date.parse(expiresAt) / 1000)),
  };
}
