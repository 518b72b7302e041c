import { Injectable } from '@nestjs/common';
import { LimitRefundRequested, message, VerificationDecided, type VerificationAdmitted } from '@countersign/contracts';
import { answerMac } from '@countersign/crypto';
import { ChangeOwnPin } from '../credentials/change-own-pin.use-case.js';
import { IssueReceipt } from '../receipts/issue-receipt.use-case.js';
import { AttemptGate } from './attempts.ports.js';
import { unavailableReply } from './attempt-records.js';
import { DecideAttempt } from './decide-attempt.use-case.js';
import { CommandOpener, type OpenedCommand } from './open-command.js';

/** The reply to a command, and the refund of the limits that it used. */
export interface AttemptAnswer {
  readonly reply: VerificationDecided;
  readonly refund: LimitRefundRequested | undefined;
  /** Proves the reply to a requester that accepts MACs. Undefined: the reply needs a signature. */
  readonly mac?: ((text: string) => string) | undefined;
}

/**
 * Answers a command: decrypts its payload, decides its attempt, adds the receipt of a success.
 *
 * Limits are refunded only if no attempt was counted under the id of the command. Whoever can write to the topic can repeat
 * an id. If the repetition got a refund, the first delivery would have used no limit.
 */
@Injectable()
export class AnswerAttempt {
  constructor(
    private readonly opener: CommandOpener,
    private readonly decideAttempt: DecideAttempt,
    private readonly changeOwnPin: ChangeOwnPin,
    private readonly issueReceipt: IssueReceipt,
    private readonly attempts: AttemptGate,
  ) {}

  /** @throws ServiceError retriable, if the database does not respond */
  async answer(command: VerificationAdmitted): Promise<AttemptAnswer> {
    const opened = await this.opener.open(command);
    // No refund: nothing proves that the payload belongs to this id.
    if (opened === undefined) return { reply: this.#replyTo(command, unavailableReply(command)), refund: undefined };
    const decided = await (opened.newPin === undefined
      ? this.decideAttempt.decide(opened).then(({ reply }) => reply)
      : this.changeOwnPin.decide(opened));
    const refund = (await this.#isUncounted(opened, decided)) ? refundOf(command) : undefined;
    const mac = opened.acceptsMac ? answerMac(opened.replyKey) : undefined;
    return { reply: this.#replyTo(command, this.issueReceipt.attach(opened, decided)), refund, mac };
  }

  /** Ends a command after its deadline. @returns the refund, if verification reached the command only then */
  async abandon(command: VerificationAdmitted): Promise<LimitRefundRequested | undefined> {
    const opened = await this.opener.open(command);
    if (opened === undefined) return undefined;
    return (await this.decideAttempt.abandon(opened)) ? undefined : refundOf(command);
  }

  /** Attempts are stored under another id than the one that the requester knows. */
  #replyTo({ commandId, quotas }: VerificationAdmitted, decided: VerificationDecided): VerificationDecided {
    return message(VerificationDecided, { ...decided, commandId, ...(quotas === undefined ? {} : { quotas }) });
  }

  /**
   * A reply with a conflict, or with a rule that the new PIN breaks, is not due to a fault of the product.
   *
   * The query is one read by primary key, also for each command that finds no free hash slot. Nothing else distinguishes a first
   * delivery from a repetition: another process may have counted the first one, and a mark in the message could be forged.
   */
  async #isUncounted({ stored }: OpenedCommand, decided: VerificationDecided): Promise<boolean> {
    const { outcome, verificationId, conflict, violations } = decided;
    if (outcome !== 'unavailable' || verificationId !== undefined || conflict || violations) return false;
    return (await this.attempts.undecided(stored.commandId, stored.tenant)) === undefined;
  }
}

/** The limiter refunds a command once. */
function refundOf(command: VerificationAdmitted): LimitRefundRequested {
  const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller, callId, callerKey } = command;
  const { keyId, alsoNamed } = command;
  return message(LimitRefundRequested, {
    ...{ commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller, keyId, alsoNamed },
    ...(callId === undefined ? {} : { callId }),
    ...(callerKey === undefined ? {} : { callerKey }),
  });
}
