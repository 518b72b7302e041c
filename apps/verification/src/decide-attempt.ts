import { v7 as uuid } from 'uuid';
import {
  FactRecorded,
  message,
  VerificationAdmitted,
  VerificationDecided,
  type KnowledgePolicy,
  type Level,
  type Outcome,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/service';
import { type ChangeOwnPin } from './change-own-pin.js';
import { type CallState } from './domain/call-state.js';
import { knowledgeLevel } from './domain/knowledge.js';
import { PIN_PATTERN } from './domain/pin-rules.js';
import { answersTo } from './read-answers.js';
import { type SprayWatch } from './spray-watch.js';
import {
  type AttemptPolicies,
  type AttemptStore,
  type CallPolicies,
  type KnowledgePolicies,
  type PinVault,
  type Seals,
  type SubjectStore,
  type FoundSubject,
  type HashSlot,
  type SpentAttempt,
} from './ports.js';

/**
 * Decides a guess at a PIN or at the answers of a subject: counts the try, compares, states the outcome. The order is the
 * security: a place in the hash queue, the subject, the try (durable), the seal, the comparison, the verdict (durable),
 * the answer. Known, unknown and not enrolled, and locked subjects take the same steps and cost the same work. A guess at
 * all answers is one try, of the same budget as a guess at the PIN.
 */
export class DecideAttempt {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly attempts: AttemptStore,
    private readonly vault: PinVault,
    private readonly seals: Seals,
    private readonly policies: AttemptPolicies,
    private readonly calls: CallPolicies,
    private readonly knowledge: KnowledgePolicies,
    private readonly changeOwnPin: ChangeOwnPin,
    /** Told of wrong PINs; without one nobody looks for sprays. */
    private readonly watch?: SprayWatch,
  ) {}

  /** @throws ServiceError retriable, when the verdict could not be written: the try stays spent and is found again */
  async execute(command: VerificationAdmitted): Promise<VerificationDecided> {
    const policy = this.policies.of(command.tenant, command.agent);
    const knowledge = this.knowledge.of(command.tenant, command.agent);
    if (!policy || !knowledge || !isAskable(command, knowledge)) return refusal(command, 'unavailable');
    const weak = await this.changeOwnPin.weaknessOf(command);
    if (weak !== undefined) return message(VerificationDecided, { ...refusal(command, 'unavailable'), ...weak });
    const slot = this.vault.reserve({ tenant: command.tenant, caller: command.callerKey });
    if (!slot) return refusal(command, 'unavailable');
    try {
      const { tenant, subjectKind, subjectRef, method } = command;
      const subject = await this.subjects.find(tenant, subjectKind, subjectRef, method);
      const result = await this.attempts.spend(
        {
          attemptId: uuid(),
          commandId: command.commandId,
          fingerprint: command.fingerprint,
          repeatSeconds: command.repeatSeconds,
          tenant: command.tenant,
          agent: command.agent,
          guardKey: subject.guardKey,
          subject: subject.id,
          caller: callerOf(command),
          cap: subject.cap,
          method: command.method,
        },
        policy,
      );
      switch (result.kind) {
        case 'answered':
          return named(await this.changeOwnPin.repeat(command, result.reply), subject);
        case 'mismatch':
          return message(VerificationDecided, { ...refusal(command, 'unavailable'), conflict: 'mismatch' });
        case 'spent':
        case 'unanswered':
          return await this.changeOwnPin.execute(
            command,
            subject,
            await this.#decide(command, subject, result.attempt, slot, knowledge),
          );
      }
    } catch (error) {
      // A row that cannot be opened is never a success, and trying again does not mend it.
      if (error instanceof ServiceError && !error.retriable) return refusal(command, 'unavailable');
      throw error;
    } finally {
      slot.release();
    }
  }

  /**
   * Closes a try whose asker is gone, so that every counted try is in the ledger and in the log with an outcome.
   * @returns whether a try was ever counted for this command
   */
  async abandon(command: VerificationAdmitted): Promise<boolean> {
    const found = await this.attempts.unanswered(command.commandId, command.tenant);
    if (found === undefined || found === 'answered') return found === 'answered';
    const spent = message(VerificationAdmitted, { ...command, fingerprint: found.fingerprint });
    await this.#close(spent, { id: found.subject, guardKey: found.guardKey }, found.attempt, 'unavailable');
    return true;
  }

  async #decide(
    command: VerificationAdmitted,
    subject: FoundSubject,
    attempt: SpentAttempt,
    slot: HashSlot,
    knowledge: KnowledgePolicy,
  ): Promise<VerificationDecided> {
    const right = await this.#compare(command, subject, attempt, slot, knowledge);
    if (right === undefined) return this.#close(command, subject, attempt, 'unavailable');
    if (right && attempt.granted) {
      return this.#close(command, subject, attempt, 'verified', levelOf(command, subject, attempt, knowledge));
    }
    if (attempt.disabled) return this.#close(command, subject, attempt, 'disabled');
    return this.#close(command, subject, attempt, attempt.left > 0 ? 'rejected' : 'locked');
  }

  /** Undefined when what was sealed or stored is broken; the try stays spent. */
  async #compare(
    command: VerificationAdmitted,
    subject: FoundSubject,
    attempt: SpentAttempt,
    slot: HashSlot,
    knowledge: KnowledgePolicy,
  ): Promise<boolean | undefined> {
    try {
      const { pin, answers } = await this.seals.open(command.sealed, command);
      switch (command.method) {
        case 'pin': {
          const guess = typeof pin === 'string' && PIN_PATTERN.test(pin) ? pin : '';
          const right = await slot.compare(attempt, guess, subject.credential);
          if (!right && guess !== '') this.watch?.wrong(command, subject.guardKey, guess);
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
    command: VerificationAdmitted,
    subject: Pick<FoundSubject, 'id' | 'guardKey'> & Partial<FoundSubject>,
    attempt: SpentAttempt,
    outcome: Outcome,
    level: Level = 'none',
  ): Promise<VerificationDecided> {
    const verified = outcome === 'verified';
    const call =
      verified && subject.id !== undefined ? this.#callState(command, subject.id, attempt, level) : undefined;
    const reply = message(VerificationDecided, {
      commandId: command.commandId,
      outcome,
      level,
      verificationId: attempt.attemptId,
      ...(verified && subject.id !== undefined ? { subjectId: subject.id } : {}),
      ...(call ? { verifiedAt: call.verifiedAt, expiresAt: call.expiresAt } : {}),
      ...(verified && subject.mustChange === true ? { mustChangePin: true } : {}),
      ...(outcome === 'rejected' ? { attemptsLeft: attempt.left } : {}),
      ...(outcome === 'rejected' && subject.id === undefined && this.#discloses(command)
        ? { unknownSubject: true }
        : {}),
    });
    const note = (kind: FactRecorded['kind'], more: Partial<FactRecorded> = {}): FactRecorded =>
      fact(command, subject, attempt, kind, more);
    // The answer hides that the guess was not looked at; the record does not.
    const withheld = outcome === 'rejected' && !attempt.granted ? { detail: { compared: false } } : {};
    const facts = [note('attempt.decided', { outcome, level: reply.level, ...withheld })];
    if (attempt.chargedLock && !verified) facts.push(note('credential.locked'));
    if (attempt.chargedDisable && !verified) facts.push(note('credential.disabled'));
    facts.push(...(this.watch?.facts(command.commandId, attempt.spentAt) ?? []));
    const caller = callerOf(command);
    if (verified) facts.push(note('receipt.issued', { level: reply.level }));
    const { tenant, fingerprint, callId } = command;
    const closed = await this.attempts.close({
      tenant,
      fingerprint,
      guardKey: subject.guardKey,
      attempt,
      caller,
      reply,
      facts,
      ...(verified ? { compared: subject.credential } : {}),
      ...(call && callId !== undefined ? { call: { callId, ...call } } : {}),
    });
    // Not rejected: the new PIN may be the same one, and a right PIN is never called wrong.
    if (closed === 'outdated') return this.#close(command, subject, attempt, 'unavailable');
    return named(closed, subject);
  }

  #discloses({ tenant, agent }: VerificationAdmitted): boolean {
    return this.policies.discloseUnknown(tenant, agent);
  }

  /** From the time of the try on: that is the database's, and the same whenever it is asked for. */
  #callState(command: VerificationAdmitted, subject: string, attempt: SpentAttempt, level: Level): CallState {
    const { tenant, agent } = command;
    const until = Date.parse(attempt.spentAt) + this.calls.verifiedSeconds(tenant, agent) * 1000;
    return {
      agent,
      level: level === 'verified' ? level : 'identified',
      subject,
      verificationId: attempt.attemptId,
      verifiedAt: attempt.spentAt,
      expiresAt: new Date(until).toISOString(),
    };
  }
}

/** A success with what is personal, which no stored reply holds: an erased subject has no name there. */
function named(reply: VerificationDecided, subject: Partial<FoundSubject>): VerificationDecided {
  if (reply.outcome !== 'verified' || subject.id !== reply.subjectId) return reply;
  return message(VerificationDecided, {
    ...reply,
    ...(subject.displayName !== undefined ? { displayName: subject.displayName } : {}),
    ...(subject.locale !== undefined ? { locale: subject.locale } : {}),
  });
}

/** Without a question nothing would be compared, and nothing that is compared with nothing is right. */
function isAskable({ method, sealedNewPin }: VerificationAdmitted, { questions }: KnowledgePolicy): boolean {
  return method === 'pin' || (questions.length > 0 && sealedNewPin === undefined);
}

/** A PIN that somebody else chose is known to somebody else: it does not reach the highest level. */
function levelOf(
  { method }: VerificationAdmitted,
  { mustChange }: FoundSubject,
  { spentAt }: SpentAttempt,
  knowledge: KnowledgePolicy,
): Level {
  switch (method) {
    case 'pin':
      return mustChange ? 'identified' : 'verified';
    case 'knowledge':
      return knowledgeLevel(knowledge, Date.parse(spentAt));
  }
}

/**
 * Who has no number cannot be told from others who have none: nobody of them becomes a known caller. Over REST the number is
 * the subject's, whoever asks: taken for a caller's, it would let anybody spend the owner's lane.
 */
function callerOf({ channel, callerKey, callerTail }: VerificationAdmitted): string | undefined {
  return channel === 'rest' || callerTail === '' ? undefined : callerKey;
}

function refusal(command: VerificationAdmitted, outcome: Outcome): VerificationDecided {
  return message(VerificationDecided, { commandId: command.commandId, outcome, level: 'none' });
}

function fact(
  command: VerificationAdmitted,
  subject: Pick<FoundSubject, 'id' | 'guardKey'>,
  attempt: SpentAttempt,
  kind: FactRecorded['kind'],
  more: Partial<FactRecorded>,
): FactRecorded {
  return Object.assign(
    message(FactRecorded, {
      factId: uuid(),
      kind,
      time: attempt.spentAt,
      tenant: command.tenant,
      agent: command.agent,
      ...(subject.id === undefined ? {} : { subject: subject.id }),
      subjectKey: subject.guardKey,
      ...(command.callId === undefined ? {} : { callId: command.callId }),
      callerKey: command.callerKey,
      callerTail: command.callerTail,
      verificationId: attempt.attemptId,
      commandId: command.commandId,
      method: command.method,
      channel: command.channel,
      attempt: attempt.number,
    }),
    more,
  );
}
