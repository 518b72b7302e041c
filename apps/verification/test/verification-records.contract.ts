import { randomUUID } from 'node:crypto';
import { entityTagOf, taggedPartOfSubject, type Method, type Outcome } from '@countersign/contracts';
import { type VerificationRecords } from '../src/calls/calls.ports.js';
import { type AttemptGate } from '../src/attempts/attempts.ports.js';
import { type SubjectErasure, type SubjectStore } from '../src/subjects/subjects.ports.js';
import { type RecordedSuccess } from '../src/calls/call-state.decision.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from './attempt-gate.contract.js';
import { credentialOf } from './subject-store.contract.js';

export interface RecordsBed {
  readonly attempts: AttemptGate;
  readonly subjects: SubjectStore;
  readonly erasures: SubjectErasure;
  readonly records: VerificationRecords;
}

/** An attempt as a test names it; what is left out is `desk`, the PIN, and a call of its own. */
export interface Attempted {
  readonly subject: string;
  readonly agent?: string;
  readonly callId?: string | undefined;
  readonly method?: Method;
  readonly outcome?: Outcome;
  readonly minutes?: number;
  readonly level?: RecordedSuccess['level'];
}

/** Subjects with a PIN, and attempts at them, over the stores of a bed. */
export class RecordsWorld {
  constructor(
    readonly bed: RecordsBed,
    readonly tenant = 'acme',
  ) {}

  readonly create = async (subject = `customer-${randomUUID()}`): Promise<string> => {
    await this.bed.subjects.change(randomUUID(), this.tenant, subject, { displayName: 'Alex' });
    await this.enrol(subject);
    return subject;
  };

  readonly enrol = async (subject: string, keeps?: string): Promise<void> => {
    const replaces = (await this.bed.subjects.enrolled(randomUUID(), this.tenant, subject, 'pin'))?.version ?? 0;
    await this.bed.subjects.enrol(randomUUID(), this.tenant, subject, credentialOf({ replaces, keeps }));
  };

  readonly erase = (subject: string): Promise<unknown> => this.bed.erasures.erase(randomUUID(), this.tenant, subject);

  /** Counts an attempt and prepares its outcome, which is not stored yet. */
  readonly attempt = async ({ agent = 'desk', method = 'pin', outcome = 'verified', ...more }: Attempted) => {
    const { tenant } = this;
    const found = await this.bed.subjects.find(tenant, 'id', more.subject, method);
    const { referenceKey, id, credential, incarnation = randomUUID() } = found;
    const callId = 'callId' in more ? more.callId : `call-${randomUUID()}`;
    const attempt = attemptOf({ tenant, agent, referenceKey, subject: id, callId, method });
    const counted = countedOf(await this.bed.attempts.count(attempt, POLICY));
    const success: RecordedSuccess = {
      agent,
      agentCreatedAt: '2026-11-01T08:00:00.000Z',
      callId,
      method,
      level: more.level ?? 'verified',
      subject: more.subject,
      incarnation,
      credentialVersion: credential?.version ?? 0,
      verificationId: attempt.attemptId,
      verifiedAt: counted.countedAt,
      expiresAt: new Date(Date.parse(counted.countedAt) + (more.minutes ?? 15) * 60_000).toISOString(),
    };
    const attemptOutcome = outcomeOf(attempt, counted, outcome);
    return {
      success,
      attemptOutcome: outcome === 'verified' ? { ...attemptOutcome, compared: credential, success } : attemptOutcome,
    };
  };

  /** The same, with its outcome stored. */
  readonly decide = async (attempted: Attempted): Promise<RecordedSuccess> => {
    const { success, attemptOutcome } = await this.attempt(attempted);
    await this.bed.attempts.decide(attemptOutcome);
    return success;
  };

  readonly find = ({ verificationId, agent }: RecordedSuccess, reader = agent) =>
    this.bed.records.find(this.tenant, verificationId, reader);
}

/** What every store of verification records promises; run on the fake and on PostgreSQL. */
export function verificationRecordsContract(open: () => Promise<RecordsBed>): void {
  let world: RecordsWorld;
  beforeAll(async () => {
    world = new RecordsWorld(await open());
  });

  it('finds a success by its id and by its call, as it was stored', async () => {
    const success = await world.decide({ subject: await world.create(), level: 'identified' });
    const record = { ...success, credentialInForce: true, endedByAttempt: false, readAt: expect.any(Number) as number };
    expect(await world.find(success)).toEqual(record);
    expect(await world.bed.records.ofCall('acme', success.callId ?? '', ['desk'], 'desk')).toEqual([record]);
  });

  it('finds a success without a call by its id, whatever is decided without a call later', async () => {
    const success = await world.decide({ subject: await world.create(), callId: undefined });
    await world.decide({ subject: await world.create(), callId: undefined, outcome: 'rejected' });
    expect(await world.find(success)).toMatchObject({ callId: undefined, endedByAttempt: false });
  });

  it('finds no success of another tenant, another agent or another call', async () => {
    const success = await world.decide({ subject: await world.create() });
    const { records } = world.bed;
    const { verificationId, callId = '' } = success;
    expect(await records.find('umbrella', verificationId, 'desk')).toBeUndefined();
    expect(await records.ofCall('umbrella', callId, ['desk'], 'desk')).toEqual([]);
    expect(await records.ofCall('acme', callId, ['kiosk'], 'desk')).toEqual([]);
    expect(await records.ofCall('acme', `${callId}-other`, ['desk'], 'desk')).toEqual([]);
  });

  it('erases a subject only with the entity tag that it has, and with the same command only once', async () => {
    const { subjects, erasures } = world.bed;
    const subject = await world.create();
    const tagOf = async (): Promise<string> => {
      const state = await subjects.state(world.tenant, subject, POLICY.windowSeconds);
      return entityTagOf(taggedPartOfSubject(state ?? {}));
    };
    const erase = (ifMatch: string, commandId: string = randomUUID()) =>
      erasures.erase(commandId, world.tenant, subject, undefined, { ifMatch: [ifMatch] });
    const outdated = await tagOf();
    await subjects.change(randomUUID(), world.tenant, subject, { displayName: 'Ada' });
    const refused = randomUUID();
    for (let delivery = 0; delivery < 2; delivery++) expect(await erase(outdated, refused)).toBe('precondition_failed');
    const success = await world.decide({ subject });
    expect(await world.find(success)).toMatchObject({ credentialInForce: true });
    const [current, commandId] = [await tagOf(), randomUUID()];
    for (let delivery = 0; delivery < 2; delivery++) expect(await erase(current, commandId)).toBe('erased');
    expect(await erase(current)).toBe('not_found');
    expect(await world.find(success)).toBeUndefined();
  });

  it('finds no refused attempt and no expired success', async () => {
    const subject = await world.create();
    const refusal = await world.decide({ subject, outcome: 'rejected' });
    const over = await world.decide({ subject, minutes: -1 });
    for (const one of [refusal, over]) {
      expect(await world.find(one)).toBeUndefined();
      expect(await world.bed.records.ofCall('acme', one.callId ?? '', ['desk'], 'desk')).toEqual([]);
    }
  });

  it.each(['verified', 'rejected', 'locked', 'disabled'] as const)(
    'a later attempt of the call at another subject with the outcome %s ends a success',
    async (outcome) => {
      const callId = randomUUID();
      const success = await world.decide({ subject: await world.create(), callId });
      await world.decide({ subject: await world.create(), callId, outcome });
      expect(await world.find(success)).toMatchObject({ endedByAttempt: true });
    },
  );

  it('an attempt at an unknown subject, or at another subject by another method, ends a success', async () => {
    for (const more of [{ subject: 'nobody' }, { subject: await world.create(), method: 'knowledge' as const }]) {
      const callId = randomUUID();
      const success = await world.decide({ subject: await world.create(), callId });
      await world.decide({ ...more, callId, outcome: 'rejected' });
      expect(await world.find(success)).toMatchObject({ endedByAttempt: true });
    }
  });

  it('attempts that are unavailable, at the same subject, or before the success do not end it', async () => {
    const callId = randomUUID();
    const [subject, other] = [await world.create(), await world.create()];
    await world.decide({ subject: other, callId, outcome: 'rejected' });
    const success = await world.decide({ subject, callId });
    await world.decide({ subject: other, callId, outcome: 'unavailable' });
    await world.decide({ subject, callId, outcome: 'rejected' });
    await world.decide({ subject, callId, method: 'knowledge', outcome: 'rejected' });
    expect(await world.find(success)).toMatchObject({ endedByAttempt: false });
  });

  it('attempts of another agent end a success for that agent only', async () => {
    const callId = randomUUID();
    const success = await world.decide({ subject: await world.create(), callId });
    await world.decide({ subject: await world.create(), callId, agent: 'kiosk', outcome: 'rejected' });
    expect(await world.find(success)).toMatchObject({ endedByAttempt: false });
    expect(await world.find(success, 'kiosk')).toMatchObject({ endedByAttempt: true });
    expect(await world.find(success, 'bank')).toMatchObject({ endedByAttempt: false });
  });

  it('a success needs its credential in force, and moves to the new one when its caller changed it', async () => {
    const subject = await world.create();
    const [kept, other] = [await world.decide({ subject }), await world.decide({ subject })];
    await world.enrol(subject, kept.verificationId);
    expect(await world.find(kept)).toMatchObject({ credentialInForce: true, credentialVersion: 2 });
    expect(await world.find(other)).toMatchObject({ credentialInForce: false });
    await world.enrol(subject);
    expect(await world.find(kept)).toMatchObject({ credentialInForce: false });
  });

  it('finds no success of an erased subject, even if the same id and PIN are created again at once', async () => {
    const subject = await world.create();
    const success = await world.decide({ subject });
    await world.erase(subject);
    expect(await world.find(success)).toBeUndefined();
    await world.create(subject);
    expect(await world.find(success)).toBeUndefined();
    const again = await world.decide({ subject });
    expect(await world.find(again)).toMatchObject({ subject, credentialInForce: true });
  });
}
