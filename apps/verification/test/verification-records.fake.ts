import { type Actor, type FactRecorded, type Preconditions } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { ReceiptStore } from '../src/receipts/receipts.ports.js';
import { VerificationRecords } from '../src/calls/calls.ports.js';
import { type PresentedReceipt } from '../src/receipts/presented-receipt.decision.js';
import { SubjectErasure, type SubjectErasureResult } from '../src/subjects/subjects.ports.js';
import { type VerificationRecord } from '../src/calls/call-state.decision.js';
import { type ClosedAttempt, type FakeAttemptGate } from './attempt-gate.fake.js';
import { type FakeSubjectStore } from './subject-store.fake.js';

/** Outcomes that say something of the caller. */
const DECIDING: readonly string[] = ['verified', 'rejected', 'locked', 'disabled'];

/** The fake of the PostgreSQL store, over what the fake of attempts has written. */
export class FakeVerificationRecords extends VerificationRecords {
  constructor(
    private readonly attempts: FakeAttemptGate,
    private readonly subjects: FakeSubjectStore,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async ofCall(tenant: string, callId: string, agents: readonly string[], reader: string) {
    const ofCall = this.attempts.ledger.filter(
      ({ attempt }) => attempt.tenant === tenant && attempt.callId === callId && agents.includes(attempt.agent),
    );
    const read = await Promise.all(ofCall.map((closed) => this.#read(closed, reader)));
    return read.filter((record) => record !== undefined);
  }

  override async find(tenant: string, verificationId: string, reader: string): Promise<VerificationRecord | undefined> {
    const closed = this.attempts.ledger.find(
      ({ attempt, success }) => attempt.tenant === tenant && success?.verificationId === verificationId,
    );
    return closed && this.#read(closed, reader);
  }

  async #read(closed: ClosedAttempt, reader: string): Promise<VerificationRecord | undefined> {
    const { attempt, success } = closed;
    const now = this.clock.now();
    if (success === undefined || Date.parse(success.expiresAt) <= now) return undefined;
    const found = await this.subjects.find(attempt.tenant, 'id', success.subject, success.method);
    if (found.incarnation !== success.incarnation) return undefined;
    const later = this.attempts.ledger.slice(this.attempts.ledger.indexOf(closed) + 1);
    const endedByAttempt = later.some(
      ({ attempt: other, outcome }) =>
        attempt.callId !== undefined &&
        other.tenant === attempt.tenant &&
        [attempt.agent, reader].includes(other.agent) &&
        other.callId === attempt.callId &&
        other.referenceKey !== attempt.referenceKey &&
        DECIDING.includes(outcome),
    );
    const credentialInForce = found.credential?.version === success.credentialVersion;
    return { ...success, credentialInForce, endedByAttempt, readAt: now };
  }
}

/** The same for receipts. */
export class MemoryReceiptStore extends ReceiptStore {
  readonly facts: FactRecorded[] = [];
  readonly #consumed = new Map<string, string>();

  override isSpent({ tenant, jti }: PresentedReceipt): Promise<boolean> {
    return Promise.resolve(this.#consumed.has(`${tenant}/${jti}`));
  }

  override consume(
    commandId: string,
    receipt: PresentedReceipt,
    factAt: (time: Date) => FactRecorded,
  ): Promise<boolean> {
    const key = `${receipt.tenant}/${receipt.jti}`;
    const by = this.#consumed.get(key);
    if (by !== undefined) return Promise.resolve(by === commandId);
    this.#consumed.set(key, commandId);
    this.facts.push(factAt(new Date()));
    return Promise.resolve(true);
  }
}

/** The same for erasures. */
export class MemoryErasures extends SubjectErasure {
  readonly #done = new Set<string>();

  constructor(private readonly subjects: FakeSubjectStore) {
    super();
  }

  override async erase(
    commandId: string,
    tenant: string,
    subject: string,
    _actor?: Actor,
    preconditions?: Preconditions,
  ): Promise<SubjectErasureResult> {
    if (this.#done.has(commandId)) return 'erased';
    if ((await this.subjects.state(tenant, subject, 0)) === undefined) return 'not_found';
    if (!this.subjects.meets(tenant, subject, preconditions)) return 'precondition_failed';
    this.subjects.remove(tenant, subject);
    this.#done.add(commandId);
    return 'erased';
  }
}
