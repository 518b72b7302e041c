import { message, VerificationDecided, type VerificationAdmitted, type Violation } from '@countersign/contracts';
import { weakness } from './domain/pin-rules.js';
import { type EnrolPin } from './enrol-pin.js';
import { type OpenedCommand } from './open-command.js';
import { type FoundSubject, type SubjectStore } from './ports.js';

type Refused = { readonly violations: Violation[] };

/**
 * Puts a new PIN in the place of the one that a caller has just shown to know. Requests without a new PIN pass through.
 * The guess is decided like any other; rules that speak of the subject (its numbers, its latest PINs) are held against
 * the new PIN only after a success, or else anybody could ask for them without spending a try.
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
   * Enrols the new PIN after a success.
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
    if (newPin === undefined || reply.outcome !== 'verified') return reply;
    if (id === undefined || credential === undefined) return undone(reply);
    const result = await this.enrolPin.execute({
      commandId: command.commandId,
      tenant: command.tenant,
      subject: id,
      pin: textOf(newPin),
      mustChange: false,
      by: 'caller',
      replaces: credential.version,
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
   * The answer to a command that had its verdict before: the one that it had, where it is known. What speaks against the
   * new PIN still does. Cut off between verdict and change, the caller has to ask again.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async repeat(
    command: VerificationAdmitted,
    { newPin }: OpenedCommand,
    reply: VerificationDecided,
  ): Promise<VerificationDecided> {
    if (newPin === undefined || reply.outcome !== 'verified') return reply;
    const { commandId, tenant } = command;
    const subject = reply.subjectId ?? '';
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'pin');
    if (enrolled?.repeated === true) return changed(reply);
    const pin = textOf(newPin);
    const rule = await this.enrolPin.ruleAgainst({ commandId, tenant, subject, pin, mustChange: false, by: 'caller' });
    return rule === undefined ? undone(reply) : message(VerificationDecided, { ...reply, ...refused(rule) });
  }
}

/** '' is no PIN, and is refused as one. */
const textOf = (newPin: unknown): string => (typeof newPin === 'string' ? newPin : '');

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
