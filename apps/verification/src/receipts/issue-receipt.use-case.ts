import {
  bindingOf,
  message,
  VerificationDecided,
  VerificationRequested,
  type VerificationAdmitted,
} from '@countersign/contracts';
import { sealReply, type ReceiptClaims, type ReceiptKeys } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { type SealedPayloads } from '../verification.ports.js';

/** What all receipts of an installation have in common. */
export interface ReceiptTerms {
  /** The claim `iss`. */
  readonly issuer: string;
  /** How long a receipt is good, at most 300. */
  readonly seconds: number;
}

/**
 * Puts the receipt into the answer to a success, sealed for the one who asked. It is made after the verdict is durable,
 * from what the verdict says, so a repeated command gets the same receipt and none is stored anywhere.
 */
export class IssueReceipt {
  constructor(
    private readonly keys: ReceiptKeys,
    private readonly seals: SealedPayloads,
    private readonly terms: ReceiptTerms,
  ) {}

  /** The answer as it leaves: with a receipt after a success whose request brought a key, else as it is. */
  async attach(command: VerificationAdmitted, decided: VerificationDecided): Promise<VerificationDecided> {
    const claims = claimsOf(command, decided, this.terms);
    if (claims === undefined) return decided;
    const receipt = sealReply(this.keys.sign(claims), await this.#replyKey(command));
    return receipt === undefined ? decided : message(VerificationDecided, { ...decided, receipt });
  }

  /** Undefined when the seal is broken: a success is repeated to whoever asks again, its receipt only to who can seal. */
  async #replyKey(command: VerificationAdmitted): Promise<unknown> {
    try {
      return (await this.seals.open(command.sealed, bindingOf(VerificationRequested, command)))['replyKey'];
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
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
