import {
  factRecorded,
  message,
  VerificationDecided,
  type FactKind,
  type FactRecorded,
  type Level,
  type Outcome,
  type VerificationAdmitted,
  type Violation,
} from '@countersign/contracts';
import { type RecordedSuccess } from '../calls/call-state.decision.js';
import { type FoundSubject } from '../subjects/subjects.ports.js';
import { type CountedAttempt } from './counted-attempt.decision.js';
import { type OpenedCommand } from './open-command.js';

/** A command with its counted attempt. */
export interface CountedCommand {
  readonly opened: OpenedCommand;
  /** After the deadline of a command, only what the ledger has of its subject. */
  readonly subject: Pick<FoundSubject, 'id' | 'referenceKey'> & Partial<FoundSubject>;
  readonly attempt: CountedAttempt;
}

/** The result of a counted attempt. */
export interface AttemptResult {
  readonly outcome: Outcome;
  readonly level: Level;
  /** Rules that the new PIN breaks. */
  readonly violations?: Violation[] | undefined;
}

/** The reply as it is stored: without name and locale, see {@link withProfile}. */
export function replyOf(
  { opened, subject, attempt }: CountedCommand,
  { outcome, level, violations }: AttemptResult,
  success: RecordedSuccess | undefined,
  disclosesUnknown: boolean,
): VerificationDecided {
  const verified = outcome === 'verified';
  const rejected = outcome === 'rejected';
  return message(VerificationDecided, {
    commandId: opened.stored.commandId,
    outcome,
    level,
    verificationId: attempt.attemptId,
    ...(verified && subject.id !== undefined ? { subjectId: subject.id } : {}),
    ...(success ? { verifiedAt: success.verifiedAt, expiresAt: success.expiresAt } : {}),
    ...(verified && subject.mustChange === true ? { mustChangePin: true } : {}),
    ...(rejected ? { attemptsLeft: attempt.remaining } : {}),
    ...(rejected && subject.id === undefined && disclosesUnknown ? { unknownSubject: true } : {}),
    ...(violations === undefined ? {} : { violations }),
  });
}

/** Adds name and locale to a success. Stored replies do not have them, so an erasure need not search stored replies. */
export function withProfile(reply: VerificationDecided, subject: Partial<FoundSubject>): VerificationDecided {
  if (reply.outcome !== 'verified' || subject.id !== reply.subjectId) return reply;
  const { displayName, locale } = subject;
  return message(VerificationDecided, {
    ...reply,
    ...(displayName === undefined ? {} : { displayName }),
    ...(locale === undefined ? {} : { locale }),
  });
}

/** @param subjectKey keyed hash of the reference, the same as in events of the limiter */
export function factsOf(
  { opened: { received }, subject, attempt }: CountedCommand,
  { outcome, level }: AttemptResult,
  subjectKey: string,
): FactRecorded[] {
  const fact = (kind: FactKind, more: Partial<FactRecorded> = {}): FactRecorded =>
    factRecorded(kind, new Date(attempt.countedAt), {
      tenant: received.tenant,
      agent: received.agent,
      ...(subject.id === undefined ? {} : { subject: subject.id }),
      subjectKey,
      ...(received.callId === undefined ? {} : { callId: received.callId }),
      ...(received.callerKey === undefined ? {} : { callerKey: received.callerKey, callerTail: received.callerTail }),
      ...(received.attestation === undefined ? {} : { attestation: received.attestation }),
      verificationId: attempt.attemptId,
      commandId: received.commandId,
      method: received.method,
      channel: received.channel,
      attempt: attempt.number,
      ...more,
    });
  const verified = outcome === 'verified';
  // The reply hides that nothing was compared; the event states it.
  const notCompared =
    !attempt.granted && (outcome === 'rejected' || attempt.chargedLock) ? { detail: { compared: false } } : {};
  return [
    fact('attempt.decided', { outcome, level, ...notCompared }),
    ...(attempt.chargedLock && !verified ? [fact('credential.locked')] : []),
    ...(attempt.chargedDisable && !verified ? [fact('credential.disabled')] : []),
    ...(verified ? [fact('receipt.issued', { level })] : []),
  ];
}

/** The reply if nothing was compared, or it is not known whether something was. */
export function unavailableReply(
  { commandId }: Pick<VerificationAdmitted, 'commandId'>,
  more: Partial<Pick<VerificationDecided, 'conflict' | 'violations' | 'verificationId'>> = {},
): VerificationDecided {
  return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none', ...more });
}
