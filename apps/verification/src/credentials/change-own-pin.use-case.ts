import { Injectable } from '@nestjs/common';
import { message, VerificationDecided, type VerificationAdmitted, type Violation } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { unavailableReply } from '../attempts/attempt-records.js';
import { DecideAttempt } from '../attempts/decide-attempt.use-case.js';
import { type OpenedCommand } from '../attempts/open-command.js';
import { SubjectStore, type FoundSubject } from '../subjects/subjects.ports.js';
import { EnrolPin, type PinRequest } from './enrol-pin.use-case.js';
import { weakness } from './pin-rules.decision.js';

/**
 * Replaces the PIN of a caller who has just verified with it. The attempt is decided like any other.
 *
 * Rules about the subject (its phone numbers, its latest PINs) are applied only after the current PIN matched. Otherwise anyone
 * could probe them without an attempt. Their result is stored with the outcome: they cost up to five hashes, and a repeated
 * command must cost none, because no limit counts it.
 */
@Injectable()
export class ChangeOwnPin {
  constructor(
    private readonly decideAttempt: DecideAttempt,
    private readonly subjects: SubjectStore,
    private readonly enrolPin: EnrolPin,
  ) {}

  /**
   * @param opened a command with a new PIN
   * @throws ServiceError retriable; if the outcome is stored and the new PIN is not, a repeated command is answered `unavailable`
   */
  async decide(opened: OpenedCommand): Promise<VerificationDecided> {
    const command = opened.stored;
    // An empty string is refused as a malformed PIN.
    const newPin = typeof opened.newPin === 'string' ? opened.newPin : '';
    const weak = weakness(newPin);
    if (weak !== undefined) return unavailableReply(command, { violations: violationsOf(weak) });
    const { reply, compared } = await this.decideAttempt.decide(opened, async ({ id }) => {
      const rule = id === undefined ? undefined : await this.enrolPin.ruleAgainst(requestOf(opened, newPin, id));
      return rule === undefined ? undefined : violationsOf(rule);
    });
    if (reply.outcome !== 'verified' || reply.violations !== undefined) return reply;
    const isEnrolled = await (compared === undefined
      ? this.#wasEnrolled(command, reply)
      : this.#enrol(opened, newPin, compared, reply));
    if (isEnrolled) return changed(reply);
    // The PIN matched, but the new one was not enrolled, so the reply must not read as a success.
    const { verificationId } = reply;
    return unavailableReply(command, verificationId === undefined ? {} : { verificationId });
  }

  /** @param compared the subject as it was at the comparison: a PIN that was enrolled since then is not replaced */
  async #enrol(
    opened: OpenedCommand,
    newPin: string,
    { id, credential }: FoundSubject,
    { verificationId }: VerificationDecided,
  ): Promise<boolean> {
    if (id === undefined || credential === undefined) return false;
    try {
      // The rules were applied against this version, so no other version may be replaced.
      const change = { replaces: credential.version, checked: true, keeps: verificationId } as const;
      const result = await this.enrolPin.enrol({ ...requestOf(opened, newPin, id), ...change });
      return result === 'created' || result === 'updated';
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return false;
      throw error;
    }
  }

  /**
   * For a repeated command, without a hash. If the process stopped between the outcome and the change of the PIN, the caller
   * must request the change again.
   */
  async #wasEnrolled(
    { commandId, tenant }: VerificationAdmitted,
    { subjectId }: VerificationDecided,
  ): Promise<boolean> {
    return (await this.subjects.enrolled(commandId, tenant, subjectId ?? '', 'pin'))?.repeated === true;
  }
}

function requestOf({ stored, received }: OpenedCommand, pin: string, subject: string): PinRequest {
  const { commandId, tenant } = stored;
  const { commandId: receivedCommandId } = received;
  return { commandId, receivedCommandId, tenant, subject, pin, mustChange: false, by: 'caller' };
}

function violationsOf(rule: string): Violation[] {
  return [{ field: 'newPin', rule }];
}

function changed(reply: VerificationDecided): VerificationDecided {
  const { mustChangePin: _, ...rest } = reply;
  return message(VerificationDecided, { ...rest, pinChanged: true });
}
