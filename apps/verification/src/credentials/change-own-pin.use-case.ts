import { message, VerificationDecided, type VerificationAdmitted, type Violation } from '@countersign/contracts';
import { weakness } from './pin-rules.decision.js';
import { type EnrolPin, type PinRequest } from './enrol-pin.use-case.js';
import { type OpenedCommand } from '../attempts/open-command.js';
import { type FoundSubject, type SubjectStore } from '../verification.ports.js';

type Refused = { readonly violations: Violation[] };

/**
 * Replaces the PIN of a caller who has just verified with it. Requests without a new PIN are returned unchanged. The attempt is
 * decided like any other. Rules about the subject (its phone numbers, its latest PINs) are applied only after the current PIN
 * matched. Otherwise anyone could probe them without an attempt. Their result is stored with the outcome: they cost up to
 * five hashes, and a repeated command must cost none, because no limit counts it.
 */
export class ChangeOwnPin {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly enrolPin: EnrolPin,
  ) {}

  /** The rule that the new PIN breaks for every subject; applied before an attempt is counted. */
  weaknessOf({ newPin }: OpenedCommand): Refused | undefined {
    if (newPin === undefined) return undefined;
    const rule = weakness(textOf(newPin));
    return rule === undefined ? undefined : refused(rule);
  }

  /**
   * The rule about this subject that the new PIN breaks. Apply it once per attempt, after its PIN matched, and store the result
   * with the outcome.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async ruleAgainst(
    command: VerificationAdmitted,
    { newPin }: OpenedCommand,
    { id }: FoundSubject,
  ): Promise<Refused | undefined> {
    if (newPin === undefined || id === undefined) return undefined;
    const rule = await this.enrolPin.ruleAgainst(requestOf(command, newPin, id));
    return rule === undefined ? undefined : refused(rule);
  }

  /**
   * Enrols the new PIN after a success, unless it broke a rule.
   * @param subject as it was at the comparison: a PIN that was enrolled since then is not replaced
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable: the outcome is stored, and {@link repeat} answers the command
   */
  async execute(
    command: VerificationAdmitted,
    { newPin }: OpenedCommand,
    subject: FoundSubject,
    reply: VerificationDecided,
  ): Promise<VerificationDecided> {
    const { id, credential } = subject;
    if (!isChange(newPin, reply)) return reply;
    if (id === undefined || credential === undefined) return undone(reply);
    const request = requestOf(command, newPin, id);
    // The rules were applied against this version, so no other version may be replaced.
    const result = await this.enrolPin.execute({
      ...request,
      replaces: credential.version,
      checked: true,
      keeps: reply.verificationId,
    });
    if (typeof result === 'object') return message(VerificationDecided, { ...reply, ...refused(result.rule) });
    switch (result) {
      case 'created':
      case 'updated':
        return changed(reply);
      case 'not_found':
      case 'outdated':
        return undone(reply);
    }
  }

  /**
   * The reply to a repeated command: the same as before, without a hash. If the process stopped between the outcome and the
   * change of the PIN, the caller must request the change again.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async repeat(
    command: VerificationAdmitted,
    { newPin }: OpenedCommand,
    reply: VerificationDecided,
  ): Promise<VerificationDecided> {
    if (!isChange(newPin, reply)) return reply;
    const enrolled = await this.subjects.enrolled(command.commandId, command.tenant, reply.subjectId ?? '', 'pin');
    return enrolled?.repeated === true ? changed(reply) : undone(reply);
  }
}

function requestOf({ commandId, tenant }: VerificationAdmitted, newPin: unknown, subject: string): PinRequest {
  return { commandId, tenant, subject, pin: textOf(newPin), mustChange: false, by: 'caller' };
}

/** An empty string is refused as a malformed PIN. */
const textOf = (newPin: unknown): string => (typeof newPin === 'string' ? newPin : '');

/** Whether the new PIN must be enrolled: the current one matched, and the new one breaks no rule. */
function isChange(newPin: unknown, { outcome, violations }: VerificationDecided): boolean {
  return newPin !== undefined && outcome === 'verified' && violations === undefined;
}

function refused(rule: string): Refused {
  return { violations: [{ field: 'newPin', rule }] };
}

function changed(reply: VerificationDecided): VerificationDecided {
  const { mustChangePin: _, ...rest } = reply;
  return message(VerificationDecided, { ...rest, pinChanged: true });
}

/** The PIN matched, but the new one was not enrolled, so the reply must not read as a success. */
function undone(reply: VerificationDecided): VerificationDecided {
  const { commandId, verificationId } = reply;
  const unavailable = { commandId, outcome: 'unavailable', level: 'none' } as const;
  return message(VerificationDecided, { ...unavailable, ...(verificationId === undefined ? {} : { verificationId }) });
}
