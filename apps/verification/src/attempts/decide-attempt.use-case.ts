import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuid } from 'uuid';
import {
  type AttemptPolicy,
  type KnowledgePolicy,
  type VerificationAdmitted,
  type VerificationDecided,
  type Violation,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { SprayDetector, type SpraySignals } from '../abuse/spray-detector.js';
import { Successes } from '../calls/successes.js';
import { PIN_PATTERN } from '../credentials/pin-rules.decision.js';
import { EVENT_NAMES } from '../integrity/stored-names.js';
import { answersTo } from '../knowledge/read-answers.js';
import { AttemptGate, AttemptPolicies, type AttemptToCount } from './attempts.ports.js';
import { KnowledgePolicies } from '../knowledge/knowledge.ports.js';
import { PinVault, type HashSlot } from '../credentials/credentials.ports.js';
import { SubjectStore, type FoundSubject } from '../subjects/subjects.ports.js';
import { levelOf, outcomeOf } from './attempt-outcome.decision.js';
import {
  factsOf,
  replyOf,
  unavailableReply,
  withProfile,
  type AttemptResult,
  type CountedCommand,
} from './attempt-records.js';
import { type OpenedCommand } from './open-command.js';

/** What one delivery of a command came to. */
export interface DecidedAttempt {
  readonly reply: VerificationDecided;
  /** The subject as it was when this delivery compared the secret; undefined: this delivery compared nothing. */
  readonly compared?: FoundSubject;
}

/** Applied once per attempt, after its secret matched; the result is stored with the outcome. */
export type CheckAfterMatch = (subject: FoundSubject) => Promise<Violation[] | undefined>;

interface AgentPolicies {
  readonly attempts: AttemptPolicy;
  readonly knowledge: KnowledgePolicy;
}

interface Comparison {
  /** Undefined: the stored credential failed to decrypt. */
  readonly matches: boolean | undefined;
  /** What a wrong PIN reveals about an attack. */
  readonly signals?: SpraySignals | undefined;
}

/**
 * Decides an attempt at the PIN or the knowledge answers of a subject. Its security rests on the order of the steps:
 *
 * 1. reserve a hash slot, for a command whose payload was decrypted
 * 2. find the subject
 * 3. count the attempt (durable)
 * 4. compare
 * 5. store the outcome with its facts and signals (durable)
 * 6. reply
 *
 * Known, unknown, not enrolled, locked and disabled subjects take the same steps and cost the same work. All answers together are one
 * attempt, with the same limits as a PIN.
 */
@Injectable()
export class DecideAttempt {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly attempts: AttemptGate,
    private readonly vault: PinVault,
    private readonly policies: AttemptPolicies,
    private readonly knowledge: KnowledgePolicies,
    private readonly successes: Successes,
    private readonly sprays: SprayDetector,
    @Inject(EVENT_NAMES) private readonly hash: KeyedHash,
  ) {}

  /** @throws ServiceError retriable, if the outcome could not be stored: the attempt stays counted, and a retry finds it */
  async decide(opened: OpenedCommand, checkAfterMatch?: CheckAfterMatch): Promise<DecidedAttempt> {
    const command = opened.stored;
    const policies = this.#policiesFor(opened);
    if (policies === undefined) return { reply: unavailableReply(command) };
    const slot = this.vault.reserve(requesterOf(command));
    if (slot === undefined) return { reply: unavailableReply(command) };
    try {
      const { tenant, subjectKind, subjectRef, method } = command;
      const subject = await this.subjects.find(tenant, subjectKind, subjectRef, method);
      const counted = await this.attempts.count(attemptOf(opened, subject), policies.attempts);
      switch (counted.kind) {
        case 'mismatch':
          return { reply: unavailableReply(command, { conflict: 'mismatch' }) };
        case 'answered': {
          const repeated = await this.successes.repeated(command, counted.reply);
          if (repeated === undefined) return { reply: unavailableReply(command, { conflict: 'ended' }) };
          return { reply: withProfile(repeated, subject) };
        }
        case 'counted':
        case 'unanswered': {
          const { attempt } = counted;
          const { matches, signals } = await this.#compare(opened, subject, slot, counted.attempt, policies.knowledge);
          // Without a proven incarnation the success would not hold. Only the sender of the right secret sees `unavailable`.
          const isProven = matches !== true || subject.incarnation !== undefined;
          const outcome = outcomeOf(attempt, isProven ? matches : undefined);
          const verified = outcome === 'verified';
          const level = verified ? levelOf(method, subject, attempt, policies.knowledge) : 'none';
          const violations = verified ? await checkAfterMatch?.(subject) : undefined;
          const stored = await this.#store({ opened, subject, attempt }, { outcome, level, violations }, signals);
          return { reply: withProfile(stored, subject), compared: subject };
        }
      }
    } catch (error) {
      // A row that fails to decrypt is never a success. Retrying will not help.
      if (error instanceof ServiceError && !error.retriable) return { reply: unavailableReply(command) };
      throw error;
    } finally {
      slot.release();
    }
  }

  /**
   * Decides a counted attempt after the deadline of its command, so every counted attempt gets an outcome in the ledger and in
   * the audit log. Only the counted command may do so: another command under the same id could end an attempt that is being
   * compared.
   * @returns whether an attempt was counted under the id of the command
   */
  async abandon(opened: OpenedCommand): Promise<boolean> {
    const found = await this.attempts.undecided(opened.stored.commandId, opened.stored.tenant);
    if (found === undefined) return false;
    if (found !== 'answered' && found.fingerprint === opened.fingerprint) {
      const subject = { id: found.subject, referenceKey: found.referenceKey };
      await this.#store({ opened, subject, attempt: found.attempt }, { outcome: 'unavailable', level: 'none' });
    }
    return true;
  }

  /** Undefined if there is nothing to compare: the agent is unknown, or has no knowledge questions, which any answers would match. */
  #policiesFor({ stored: { tenant, agent, method }, newPin }: OpenedCommand): AgentPolicies | undefined {
    const attempts = this.policies.of(tenant, agent);
    const knowledge = this.knowledge.of(tenant, agent);
    if (attempts === undefined || knowledge === undefined) return undefined;
    const isComparable = method === 'pin' || (knowledge.questions.length > 0 && newPin === undefined);
    return isComparable ? { attempts, knowledge } : undefined;
  }

  async #compare(
    { stored, pin, answers }: OpenedCommand,
    { credential, referenceKey, hashForm }: FoundSubject,
    slot: HashSlot,
    attempt: CountedCommand['attempt'],
    knowledge: KnowledgePolicy,
  ): Promise<Comparison> {
    try {
      switch (stored.method) {
        case 'pin': {
          const submittedPin = typeof pin === 'string' && PIN_PATTERN.test(pin) ? pin : '';
          const matches = await slot.compare(attempt, submittedPin, credential, hashForm);
          if (matches || submittedPin === '') return { matches };
          const signals = this.sprays.addWrongPin(stored, referenceKey, submittedPin, new Date(attempt.countedAt));
          return { matches, signals };
        }
        case 'knowledge':
          return { matches: await slot.compareAnswers(attempt, answersTo(knowledge.questions, answers), credential) };
      }
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return { matches: undefined };
      throw error;
    }
  }

  /** Stores the outcome, unless another delivery of the command was faster. @returns the stored reply */
  async #store(counted: CountedCommand, result: AttemptResult, signals?: SpraySignals): Promise<VerificationDecided> {
    const { opened, subject, attempt } = counted;
    const command = opened.stored;
    const verified = result.outcome === 'verified';
    const success = verified ? this.successes.recorded(command, subject, attempt, result.level) : undefined;
    const discloses = this.policies.discloseUnknown(command.tenant, command.agent);
    const reply = replyOf(counted, result, success, discloses);
    const sealedCaller = verified ? await this.#sealCaller(counted) : undefined;
    let stored: VerificationDecided | 'outdated' | undefined;
    try {
      stored = await this.attempts.decide({
        tenant: command.tenant,
        fingerprint: opened.fingerprint,
        referenceKey: subject.referenceKey,
        attempt,
        caller: callerOf(command),
        sealedCaller,
        reply,
        facts: [...factsOf(counted, result, this.#subjectKeyOf(counted)), ...(signals?.facts ?? [])],
        tighten: signals?.tighten,
        ...(verified ? { compared: subject.credential } : {}),
        success,
      });
    } finally {
      if (stored !== reply && signals !== undefined) this.sprays.withdraw(signals);
    }
    // Not `rejected`: the new PIN may be the same, and a correct PIN must never be called wrong.
    return stored === 'outdated' ? this.#store(counted, { outcome: 'unavailable', level: 'none' }) : stored;
  }

  /** Undefined if the success makes nobody recognized. */
  async #sealCaller({ opened, subject, attempt }: CountedCommand): Promise<string | undefined> {
    const caller = callerOf(opened.stored);
    if (caller === undefined || subject.id === undefined || !attempt.unrecognized) return undefined;
    const { tenant, method, callerTail } = opened.stored;
    const firstVerifiedAt = attempt.countedAt;
    return this.subjects.sealCaller(tenant, subject.id, { method, caller, callerTail, firstVerifiedAt });
  }

  /** The limiter names an unknown reference by the same key. A known subject has one name, however it was referred to. */
  #subjectKeyOf({ opened: { received }, subject: { id } }: CountedCommand): string {
    const { tenant, subjectKind, subjectRef } = received;
    return id === undefined
      ? this.hash.subjectKey(tenant, subjectKind, subjectRef)
      : this.hash.subjectKey(tenant, 'id', id);
  }
}

/** For the fair order of hashes: requests without a caller are distinguished by their subject. */
function requesterOf(command: VerificationAdmitted): { tenant: string; agent: string; caller: string } {
  const { tenant, agent, callerKey, subjectKind, subjectRef } = command;
  return { tenant, agent, caller: callerKey ?? `${subjectKind}:${subjectRef}` };
}

function attemptOf({ stored, fingerprint }: OpenedCommand, { id, referenceKey, cap }: FoundSubject): AttemptToCount {
  const { commandId, repeatSeconds, tenant, agent, method, callId } = stored;
  return {
    ...{ attemptId: uuid(), commandId, fingerprint, repeatSeconds, tenant, agent, referenceKey, method },
    ...{ subject: id, callId, caller: callerOf(stored), cap },
  };
}

/**
 * Callers without a number share one key, so none of them may become a recognized caller. Over REST the number is what an
 * API client says: it counts for limits, and never as the caller's telephone.
 */
function callerOf({ channel, callerKey, callerTail }: VerificationAdmitted): string | undefined {
  return channel === 'rest' || callerTail === '' ? undefined : callerKey;
}
