import { message, VerificationDecided, type VerificationAdmitted, type Violation } from '@countersign/contracts';
import { weakness } from './pin-rules.decision.js';
import { type EnrolPin, type PinRequest } from './enrol-pin.use-case.js';
import { type OpenedCommand } from '../attempts/open-command.js';
import { type FoundSubject, type SubjectStore } from '../verification.ports.js';

type Refused = { readonly violations: Violation[] };

/**
 * Replaces the PIN that a caller has just shown to know with a new one. Requests without a new PIN pass through. The attempt is
 * decided like any other. Rules about the subject (its numbers, its latest PINs) are applied to the new PIN only after the
 * current one was right, or anybody could probe them without spending an attempt. What they say is stored with the verdict:
 * they cost up to five hashes, and a repeated command must cost none, because no limit counts it.
 */
export class ChangeOwnPin {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly enrolPin: EnrolPin,
  ) {}

  /** The rule that the new PIN breaks whoever it is for; asked before anything is spent. */
  weaknessOf({ newPin }: OpenedCommand): Refused | undefined {
    if (newPin === undefined) return undefined;
    const rule = weakness(textOf(newPin));
    return rule === undefined ? undefined : refused(rule);
  }

  /**
   * The rule about this subject that the new PIN breaks. To be applied once for an attempt, when its PIN was right, and to be
   * stored with its verdict.
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
   * Enrols the new PIN after a success, unless a rule spoke against it.
   * @param subject as it was when the PIN was compared: a PIN that came into force since then stays
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable: the verdict stands, and the command is answered by {@link repeat}
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
    // The rules were applied to it with this version in force; another version is not replaced.
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
   * The answer to a command that had its verdict before: the one that it had. Nothing is hashed, however often it comes.
   * Interrupted between verdict and change, the caller has to ask again.
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

/** '' is no PIN, and is refused as one. */
const textOf = (newPin: unknown): string => (typeof newPin === 'string' ? newPin : '');

/** Whether a new PIN has to come into force: the current one was right, and no rule speaks against the new one. */
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

/** The PIN was right and another one is not in force: nothing that the asker could build on. */
function undone(reply: VerificationDecided): VerificationDecided {
  const { commandId, verificationId } = reply;
  const unavailable = { commandId, outcome: 'unavailable', level: 'none' } as const;
  return message(VerificationDecided, { ...unavailable, ...(verificationId === undefined ? {} : { verificationId }) });
}
