import { v7 as uuid } from 'uuid';
import {
  factRecorded,
  message,
  VerificationDecided,
  type FactKind,
  type FactRecorded,
  type VerificationAdmitted,
  type KnowledgePolicy,
  type Level,
  type Outcome,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { type ChangeOwnPin } from '../credentials/change-own-pin.use-case.js';
import { knowledgeLevel } from '../knowledge/knowledge-level.decision.js';
import { PIN_PATTERN } from '../credentials/pin-rules.decision.js';
import { isComparable, type CommandOpener, type OpenedCommand } from './open-command.js';
import { answersTo } from '../knowledge/read-answers.js';
import { type SprayDetector } from '../abuse/spray-detector.js';
import { type Successes } from '../calls/successes.js';
import {
  type AttemptPolicies,
  type AttemptGate,
  type KnowledgePolicies,
  type PinVault,
  type SubjectStore,
  type FoundSubject,
  type HashSlot,
  type CountedAttempt,
} from '../verification.ports.js';

/** A command with its counted attempt. */
interface CountedCommand {
  /** The command with identifiers as the tables have them. */
  readonly command: VerificationAdmitted;
  /** The command as received. Events use its identifiers, which are the same in events of the limiter. */
  readonly asked: VerificationAdmitted;
  readonly opened: OpenedCommand;
  readonly subject: Pick<FoundSubject, 'id' | 'referenceKey'> & Partial<FoundSubject>;
  readonly attempt: CountedAttempt;
}

/** A counted command with everything that the comparison needs. */
interface Comparison extends CountedCommand {
  readonly subject: FoundSubject;
  readonly slot: HashSlot;
  readonly knowledge: KnowledgePolicy;
}

/**
 * Decides an attempt at the PIN or the knowledge answers of a subject. Its security rests on the order of the steps:
 *
 * 1. decrypt the payload; a payload that does not decrypt counts no attempt, because nothing can be compared
 * 2. reserve a hash slot
 * 3. find the subject
 * 4. count the attempt (durable)
 * 5. compare
 * 6. store the outcome (durable)
 * 7. reply
 *
 * Known, unknown, not enrolled and locked subjects take the same steps and cost the same work. All answers together are one
 * attempt, with the same limits as a PIN.
 */
export class DecideAttempt {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly attempts: AttemptGate,
    private readonly vault: PinVault,
    private readonly openCommand: CommandOpener,
    private readonly policies: AttemptPolicies,
    private readonly successes: Successes,
    private readonly knowledge: KnowledgePolicies,
    private readonly changeOwnPin: ChangeOwnPin,
    /** Of IDENTIFIER_KEY. */
    private readonly hash: KeyedHash,
    /** Receives wrong PINs; without it, sprays are not detected. */
    private readonly watch?: SprayDetector,
  ) {}

  /** @throws ServiceError retriable, if the outcome could not be stored: the attempt stays counted, and a retry finds it */
  async decide(asked: VerificationAdmitted): Promise<VerificationDecided> {
    const decided = await this.#execute(asked);
    return message(VerificationDecided, { ...decided, commandId: asked.commandId });
  }

  async #execute(asked: VerificationAdmitted): Promise<VerificationDecided> {
    const policy = this.policies.of(asked.tenant, asked.agent);
    const knowledge = this.knowledge.of(asked.tenant, asked.agent);
    const opened = await this.openCommand.open(asked);
    if (!policy || !knowledge || !opened || !isComparable(asked, opened, knowledge)) {
      return refusal(asked, 'unavailable');
    }
    const command = opened.stored;
    const weak = this.changeOwnPin.weaknessOf(opened);
    if (weak !== undefined) return message(VerificationDecided, { ...refusal(command, 'unavailable'), ...weak });
    const slot = this.vault.reserve({ tenant: command.tenant, agent: command.agent, caller: requesterKeyOf(command) });
    if (!slot) return refusal(command, 'unavailable');
    try {
      const { tenant, subjectKind, subjectRef, method } = command;
      const subject = await this.subjects.find(tenant, subjectKind, subjectRef, method);
      const result = await this.attempts.count(
        {
          attemptId: uuid(),
          commandId: command.commandId,
          fingerprint: opened.fingerprint,
          repeatSeconds: command.repeatSeconds,
          tenant: command.tenant,
          agent: command.agent,
          referenceKey: subject.referenceKey,
          subject: subject.id,
          callId: command.callId,
          caller: callerOf(command),
          cap: subject.cap,
          method: command.method,
        },
        policy,
      );
      switch (result.kind) {
        case 'answered': {
          const repeated = await this.successes.repeated(command, result.reply);
          if (repeated === undefined) {
            return message(VerificationDecided, { ...refusal(command, 'unavailable'), conflict: 'ended' });
          }
          return named(await this.changeOwnPin.repeat(command, opened, repeated), subject);
        }
        case 'mismatch':
          return message(VerificationDecided, { ...refusal(command, 'unavailable'), conflict: 'mismatch' });
        case 'spent':
        case 'unanswered':
          return await this.changeOwnPin.execute(
            command,
            opened,
            subject,
            await this.#decide({ command, asked, opened, subject, attempt: result.attempt, slot, knowledge }),
          );
      }
    } catch (error) {
      // A row that fails to decrypt is never a success. Retrying will not help.
      if (error instanceof ServiceError && !error.retriable) return refusal(command, 'unavailable');
      throw error;
    } finally {
      slot.release();
    }
  }

  /**
   * Decides a counted attempt after the deadline of its command, so every counted attempt gets an outcome in the ledger and in
   * the audit log. Only the counted command may do so: another command under the same id could end an attempt that is being
   * compared.
   * @returns whether the limits stay used: an attempt was counted under this id, or the payload does not decrypt
   */
  async abandon(asked: VerificationAdmitted): Promise<boolean> {
    const opened = await this.openCommand.open(asked);
    if (opened === undefined) return true;
    const command = opened.stored;
    const found = await this.attempts.undecided(command.commandId, command.tenant);
    if (found === undefined || found === 'answered') return found === 'answered';
    if (found.fingerprint !== opened.fingerprint) return true;
    const subject = { id: found.subject, referenceKey: found.referenceKey };
    await this.#close({ command, asked, opened, subject, attempt: found.attempt }, 'unavailable');
    return true;
  }

  async #decide(counted: Comparison): Promise<VerificationDecided> {
    const { command, subject, attempt, knowledge } = counted;
    const right = await this.#compare(counted);
    if (right === undefined) return this.#close(counted, 'unavailable');
    if (right && attempt.granted) {
      const broken = await this.changeOwnPin.ruleAgainst(command, counted.opened, subject);
      return this.#close(counted, 'verified', levelOf(command, subject, attempt, knowledge), broken);
    }
    if (attempt.disabled) return this.#close(counted, 'disabled');
    return this.#close(counted, attempt.remaining > 0 ? 'rejected' : 'locked');
  }

  /** Undefined if the stored credential does not decrypt; the attempt stays counted. */
  async #compare({ command, opened, subject, attempt, slot, knowledge }: Comparison): Promise<boolean | undefined> {
    try {
      const { pin, answers } = opened;
      switch (command.method) {
        case 'pin': {
          const guess = typeof pin === 'string' && PIN_PATTERN.test(pin) ? pin : '';
          const right = await slot.compare(attempt, guess, subject.credential);
          if (!right && guess !== '')
            this.watch?.wrong(command, subject.referenceKey, guess, new Date(attempt.countedAt));
          return right;
        }
        case 'knowledge':
          return await slot.compareAnswers(attempt, answersTo(knowledge.questions, answers), subject.credential);
      }
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }

  async #close(
    counted: CountedCommand,
    outcome: Outcome,
    level: Level = 'none',
    broken: Pick<VerificationDecided, 'violations'> = {},
  ): Promise<VerificationDecided> {
    const { command, asked, opened, subject, attempt } = counted;
    const verified = outcome === 'verified';
    const success = verified ? this.successes.recorded(command, subject, attempt, level) : undefined;
    const reply = message(VerificationDecided, {
      commandId: command.commandId,
      outcome,
      level,
      verificationId: attempt.attemptId,
      ...(verified && subject.id !== undefined ? { subjectId: subject.id } : {}),
      ...(success ? { verifiedAt: success.verifiedAt, expiresAt: success.expiresAt } : {}),
      ...(verified && subject.mustChange === true ? { mustChangePin: true } : {}),
      ...(outcome === 'rejected' ? { attemptsLeft: attempt.remaining } : {}),
      ...(outcome === 'rejected' && subject.id === undefined && this.#discloses(command)
        ? { unknownSubject: true }
        : {}),
      ...broken,
    });
    const note = (kind: FactKind, more: Partial<FactRecorded> = {}): FactRecorded =>
      fact(kind, asked, this.#referenceOf(asked, subject.id), subject.id, attempt, more);
    // The reply hides that nothing was compared; the event states it.
    const withheld =
      !attempt.granted && (outcome === 'rejected' || attempt.chargedLock) ? { detail: { compared: false } } : {};
    const facts = [note('attempt.decided', { outcome, level: reply.level, ...withheld })];
    if (attempt.chargedLock && !verified) facts.push(note('credential.locked'));
    if (attempt.chargedDisable && !verified) facts.push(note('credential.disabled'));
    facts.push(...(this.watch?.facts(command.commandId) ?? []));
    const caller = callerOf(command);
    if (verified) facts.push(note('receipt.issued', { level: reply.level }));
    const { tenant } = command;
    const { fingerprint } = opened;
    const closed = await this.attempts.decide({
      tenant,
      fingerprint,
      referenceKey: subject.referenceKey,
      attempt,
      caller,
      reply,
      facts,
      ...(verified ? { compared: subject.credential } : {}),
      success,
    });
    // Not `rejected`: the new PIN may be the same, and a correct PIN must never be called wrong.
    if (closed === 'outdated') return this.#close(counted, 'unavailable');
    return named(closed, subject);
  }

  /** What the events call a reference: those of the limiter name it by the same key. A known subject has one name. */
  #referenceOf({ tenant, subjectKind, subjectRef }: VerificationAdmitted, id: string | undefined): string {
    return id === undefined
      ? this.hash.subjectKey(tenant, subjectKind, subjectRef)
      : this.hash.subjectKey(tenant, 'id', id);
  }

  #discloses({ tenant, agent }: VerificationAdmitted): boolean {
    return this.policies.discloseUnknown(tenant, agent);
  }
}

/** Adds name and locale to a success. Stored replies do not have them, so an erasure need not search stored replies. */
function named(reply: VerificationDecided, subject: Partial<FoundSubject>): VerificationDecided {
  if (reply.outcome !== 'verified' || subject.id !== reply.subjectId) return reply;
  return message(VerificationDecided, {
    ...reply,
    ...(subject.displayName !== undefined ? { displayName: subject.displayName } : {}),
    ...(subject.locale !== undefined ? { locale: subject.locale } : {}),
  });
}

/** A PIN that an administrator chose is known to another person, so it does not reach the highest level. */
function levelOf(
  { method }: VerificationAdmitted,
  { mustChange }: FoundSubject,
  { countedAt }: CountedAttempt,
  knowledge: KnowledgePolicy,
): Level {
  switch (method) {
    case 'pin':
      return mustChange ? 'identified' : 'verified';
    case 'knowledge':
      return knowledgeLevel(knowledge, Date.parse(countedAt));
  }
}

/** For the fair order of hashes: requests without a caller are distinguished by their subject. */
function requesterKeyOf({ callerKey, subjectKind, subjectRef }: VerificationAdmitted): string {
  return callerKey ?? `${subjectKind}:${subjectRef}`;
}

/**
 * Callers without a number share one key, so none of them may become a recognized caller. Over REST the number is what an
 * API client says: it counts for limits, and never as the caller's telephone.
 */
function callerOf({ channel, callerKey, callerTail }: VerificationAdmitted): string | undefined {
  return channel === 'rest' || callerTail === '' ? undefined : callerKey;
}

function refusal(command: VerificationAdmitted, outcome: Outcome): VerificationDecided {
  return message(VerificationDecided, { commandId: command.commandId, outcome, level: 'none' });
}

function fact(
  kind: FactKind,
  command: VerificationAdmitted,
  subjectKey: string,
  subject: string | undefined,
  attempt: CountedAttempt,
  more: Partial<FactRecorded>,
): FactRecorded {
  return factRecorded(kind, new Date(attempt.countedAt), {
    tenant: command.tenant,
    agent: command.agent,
    ...(subject === undefined ? {} : { subject }),
    subjectKey,
    ...(command.callId === undefined ? {} : { callId: command.callId }),
    ...(command.callerKey === undefined ? {} : { callerKey: command.callerKey, callerTail: command.callerTail }),
    ...(command.attestation === undefined ? {} : { attestation: command.attestation }),
    verificationId: attempt.attemptId,
    commandId: command.commandId,
    method: command.method,
    channel: command.channel,
    attempt: attempt.number,
    ...more,
  });
}
