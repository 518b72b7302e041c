import { Injectable } from '@nestjs/common';
import { message, VerificationDecided, type Level, type VerificationAdmitted } from '@countersign/contracts';
import { CallPolicies, VerificationRecords } from './calls.ports.js';
import { type FoundSubject } from '../subjects/subjects.ports.js';
import { type CountedAttempt } from '../attempts/counted-attempt.decision.js';
import { canRepeatSuccess, type RecordedSuccess } from './call-state.decision.js';

/** What the ledger stores of a success, and whether its stored reply may be repeated. */
@Injectable()
export class Successes {
  constructor(
    private readonly records: VerificationRecords,
    private readonly policies: CallPolicies,
  ) {}

  /** The end is computed from the time of the attempt, which the database set, so it never changes. */
  recorded(
    { tenant, agent, callId, method }: VerificationAdmitted,
    { id, incarnation, credential }: Partial<FoundSubject>,
    attempt: CountedAttempt,
    level: Level,
  ): RecordedSuccess | undefined {
    if (id === undefined || incarnation === undefined || credential === undefined) return undefined;
    const policy = this.policies.of(tenant, agent);
    const until = Date.parse(attempt.countedAt) + (policy?.verifiedSeconds ?? 0) * 1000;
    return {
      agent,
      agentCreatedAt: policy?.agentCreatedAt,
      callId,
      method,
      level: level === 'verified' ? level : 'identified',
      subject: id,
      incarnation,
      credentialVersion: credential.version,
      verificationId: attempt.attemptId,
      verifiedAt: attempt.countedAt,
      expiresAt: new Date(until).toISOString(),
    };
  }

  /** The stored reply for a repeated command: a refusal always, a success only while it holds; undefined: it does not hold. */
  async repeated(
    { tenant, agent }: VerificationAdmitted,
    reply: VerificationDecided,
  ): Promise<VerificationDecided | undefined> {
    const { outcome, verificationId } = reply;
    if (outcome !== 'verified') return reply;
    const policy = this.policies.of(tenant, agent);
    if (policy === undefined || verificationId === undefined) return undefined;
    const record = await this.records.find(tenant, verificationId, agent);
    if (record === undefined || !canRepeatSuccess({ agent, policy }, record)) return undefined;
    return message(VerificationDecided, { ...reply, repeatedAt: new Date(record.readAt).toISOString() });
  }
}
