import { randomUUID } from 'node:crypto';
import {
  message,
  VerificationDecided,
  type Outcome,
  factRecorded,
  LimitTightenRequested,
} from '@countersign/contracts';
import { type AttemptToCount, type AttemptGate, type CountResult } from '../src/attempts/attempts.ports.js';
import { type CountedAttempt } from '../src/attempts/counted-attempt.decision.js';

export const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };

export interface AttemptBed {
  readonly store: AttemptGate;
  /** Lets time pass for this store. */
  advance(seconds: number): Promise<void>;
  /** Ids of the facts and requests that were handed over. */
  facts(): Promise<string[]>;
}

export function attemptOf(more: Partial<AttemptToCount> = {}): AttemptToCount {
  return {
    attemptId: randomUUID(),
    commandId: `command-${randomUUID()}`,
    fingerprint: 'f'.repeat(64),
    repeatSeconds: 60,
    tenant: 'acme',
    agent: 'front-desk',
    referenceKey: randomUUID(),
    method: 'pin',
    subject: undefined,
    callId: undefined,
    caller: undefined,
    cap: 100,
    ...more,
  };
}

export function outcomeOf(
  attempt: AttemptToCount,
  counted: CountedAttempt,
  outcome: Outcome,
): Parameters<AttemptGate['decide']>[0] {
  const reply = message(VerificationDecided, {
    commandId: attempt.commandId,
    outcome,
    level: outcome === 'verified' ? 'verified' : 'none',
    verificationId: counted.attemptId,
  });
  const fact = factRecorded('attempt.decided', new Date(counted.countedAt), { tenant: attempt.tenant, outcome });
  const { tenant, fingerprint, referenceKey, caller } = attempt;
  return { tenant, fingerprint, referenceKey, attempt: counted, caller, reply, facts: [fact] };
}

/** What every attempt gate promises; run on the fake and on PostgreSQL. */
export function attemptStoreContract(open: () => Promise<AttemptBed>): void {
  let bed: AttemptBed;
  beforeAll(async () => {
    bed = await open();
  });

  const guess = async (referenceKey: string, policy = POLICY): Promise<CountedAttempt> =>
    countedOf(await bed.store.count(attemptOf({ referenceKey }), policy));

  it('grants the first three attempts in the window, and numbers the refused ones too', async () => {
    const referenceKey = randomUUID();
    const tries: CountedAttempt[] = [];
    for (let n = 0; n < 5; n++) tries.push(await guess(referenceKey));
    expect(tries.map(({ granted }) => granted)).toEqual([true, true, true, false, false]);
    expect(tries.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0, 0]);
    expect(tries.map(({ chargedLock }) => chargedLock)).toEqual([false, false, true, false, false]);
    expect(tries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  it('grants exactly three of fifty attempts that arrive at once', async () => {
    const referenceKey = randomUUID();
    const tries = await Promise.all(Array.from({ length: 50 }, () => guess(referenceKey)));
    expect(tries.filter(({ granted }) => granted)).toHaveLength(3);
    expect(tries.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, n) => n + 1),
    );
  });

  it('counts references and tenants separately', async () => {
    const referenceKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(referenceKey);
    const elsewhere = await bed.store.count(attemptOf({ referenceKey, tenant: 'other' }), POLICY);
    expect(countedOf(elsewhere)).toMatchObject({ granted: true, number: 1 });
  });

  it('starts a new attempt window when a lock ends, and doubles the next lock', async () => {
    const referenceKey = randomUUID();
    const granted = async (): Promise<boolean> => (await guess(referenceKey)).granted;
    for (let n = 0; n < 3; n++) await granted();
    await bed.advance(899);
    expect(await granted()).toBe(false);
    await bed.advance(2);
    expect([await granted(), await granted(), await granted(), await granted()]).toEqual([true, true, true, false]);
    await bed.advance(1000);
    expect(await granted()).toBe(false);
    await bed.advance(805);
    expect(await granted()).toBe(true);
  });

  it('clears the attempt window after a success', async () => {
    const referenceKey = randomUUID();
    await guess(referenceKey);
    await guess(referenceKey);
    const attempt = attemptOf({ referenceKey });
    const counted = countedOf(await bed.store.count(attempt, POLICY));
    expect(counted.chargedLock).toBe(true);
    await bed.store.decide(outcomeOf(attempt, counted, 'verified'));
    expect((await guess(referenceKey)).remaining).toBe(2);
  });

  it('locks with the first attempt when the window has only one', async () => {
    const referenceKey = randomUUID();
    const one = { ...POLICY, perWindow: 1 };
    expect(await guess(referenceKey, one)).toMatchObject({ granted: true, chargedLock: true, remaining: 0 });
    expect(await guess(referenceKey, one)).toMatchObject({ granted: false });
  });

  it('grants no attempt when a tightened policy allows fewer than the window holds', async () => {
    const referenceKey = randomUUID();
    await guess(referenceKey, { ...POLICY, perWindow: 5 });
    await guess(referenceKey, { ...POLICY, perWindow: 5 });
    expect(await guess(referenceKey, { ...POLICY, perWindow: 2 })).toMatchObject({
      granted: false,
      chargedLock: true,
      remaining: 0,
    });
  });

  it('shares one attempt window between all callers, and reserves its last attempt for recognized callers', async () => {
    const referenceKey = randomUUID();
    const by = async (caller: string): Promise<CountedAttempt> =>
      countedOf(await bed.store.count(attemptOf({ referenceKey, caller }), POLICY));
    const first = attemptOf({ referenceKey, caller: 'owner' });
    const counted = countedOf(await bed.store.count(first, POLICY));
    await bed.store.decide(outcomeOf(first, counted, 'verified'));
    const unrecognized = true;
    expect(await by('other 1')).toMatchObject({ granted: true, unrecognized, remaining: 2 });
    expect(await by('other 2')).toMatchObject({ granted: true, unrecognized, remaining: 1 });
    for (const caller of ['other 3', 'other 4'])
      expect(await by(caller)).toMatchObject({ granted: false, unrecognized, remaining: 0 });
    expect(await by('owner')).toMatchObject({ granted: true, unrecognized: false, remaining: 0, chargedLock: true });
    for (const caller of ['owner', 'other 5']) expect(await by(caller)).toMatchObject({ granted: false, remaining: 0 });
  });

  it('grants exactly three of fifty attempts that arrive at once from recognized and unrecognized callers', async () => {
    const referenceKey = randomUUID();
    const by = async (caller: string): Promise<CountedAttempt> =>
      countedOf(await bed.store.count(attemptOf({ referenceKey, caller }), POLICY));
    const first = attemptOf({ referenceKey, caller: 'owner' });
    await bed.store.decide(outcomeOf(first, countedOf(await bed.store.count(first, POLICY)), 'verified'));
    const tries = await Promise.all(Array.from({ length: 50 }, (_, n) => by(n % 2 === 0 ? 'owner' : `other ${n}`)));
    const granted = tries.filter((one) => one.granted);
    expect(granted).toHaveLength(3);
    expect(granted.filter(({ unrecognized }) => unrecognized).length).toBeLessThan(3);
  });

  it('disables a credential with the last attempt of the cap, unless its secret is right', async () => {
    const referenceKey = randomUUID();
    const policy = { ...POLICY, perWindow: 9 };
    const last = async (): Promise<[AttemptToCount, CountedAttempt]> => {
      const attempt = attemptOf({ referenceKey, cap: 2 });
      return [attempt, countedOf(await bed.store.count(attempt, policy))];
    };
    expect((await last())[1]).toMatchObject({ granted: true, chargedDisable: false, disabled: false, remaining: 1 });
    const [attempt, counted] = await last();
    expect(counted).toMatchObject({ granted: true, chargedDisable: true, disabled: true, remaining: 0 });
    expect((await last())[1]).toMatchObject({ granted: false, chargedDisable: false, disabled: true });
    await bed.store.decide(outcomeOf(attempt, counted, 'verified'));
    expect((await last())[1]).toMatchObject({ granted: true, disabled: false });
  });

  it('an unlock clears the lock once per command and keeps the failure count', async () => {
    const referenceKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(referenceKey);
    const commandId = randomUUID();
    const fact = outcomeOf(attemptOf({ referenceKey }), await guess(referenceKey), 'locked').facts[0];
    if (!fact) throw new Error('no fact');
    await bed.store.unlock(commandId, 'acme', referenceKey, () => fact);
    expect(await bed.facts()).toContain(fact.factId);
    for (let n = 0; n < 3; n++) expect(await guess(referenceKey)).toMatchObject({ granted: true });
    await bed.store.unlock(commandId, 'acme', referenceKey, () => fact);
    expect(await guess(referenceKey)).toMatchObject({ granted: false });
    await bed.store.unlock(randomUUID(), 'acme', referenceKey, (time) =>
      factRecorded('credential.unlocked', time, { tenant: 'acme' }),
    );
    const disabling = countedOf(await bed.store.count(attemptOf({ referenceKey, cap: 7 }), POLICY));
    expect(disabling).toMatchObject({ granted: true, chargedDisable: true });
    await bed.store.unlock(randomUUID(), 'acme', referenceKey, (time) =>
      factRecorded('credential.unlocked', time, { tenant: 'acme' }),
    );
    expect(await guess(referenceKey)).toMatchObject({ granted: false, disabled: true });
  });

  it('counts the credentials of a reference separately', async () => {
    const referenceKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(referenceKey);
    const knowledge = await bed.store.count(attemptOf({ referenceKey, method: 'knowledge' }), POLICY);
    expect(countedOf(knowledge)).toMatchObject({ granted: true, number: 1 });
  });

  it('answers a repeated command with the stored reply and counts no attempt', async () => {
    const attempt = attemptOf();
    const counted = countedOf(await bed.store.count(attempt, POLICY));
    const { reply } = outcomeOf(attempt, counted, 'rejected');
    await bed.store.decide(outcomeOf(attempt, counted, 'rejected'));
    const again = await bed.store.count({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(again).toMatchObject({ kind: 'answered', reply: { ...reply } });
    expect((await guess(attempt.referenceKey)).number).toBe(2);
  });

  it('counts a command again when its repeat time is over, and refuses other content under its id', async () => {
    const attempt = attemptOf();
    await bed.store.decide(outcomeOf(attempt, countedOf(await bed.store.count(attempt, POLICY)), 'rejected'));
    const other = { ...attempt, attemptId: randomUUID(), fingerprint: '0'.repeat(64) };
    expect(await bed.store.count(other, POLICY)).toEqual({ kind: 'mismatch' });
    await bed.advance(31);
    // The time is that of the command that was counted: another message under its id cannot end it.
    expect(await bed.store.count({ ...other, repeatSeconds: 1 }, POLICY)).toEqual({ kind: 'mismatch' });
    await bed.advance(30);
    const later = await bed.store.count({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(countedOf(later).number).toBe(2);
  });

  it('stores the request to tighten limits once, with the facts of the first outcome', async () => {
    const attempt = attemptOf();
    const counted = countedOf(await bed.store.count(attempt, POLICY));
    const tighten = (): LimitTightenRequested =>
      message(LimitTightenRequested, { commandId: randomUUID(), tenant: attempt.tenant, seconds: 600 });
    const outcomes = [tighten(), tighten()].map((one) => ({
      ...outcomeOf(attempt, counted, 'rejected'),
      tighten: one,
    }));
    for (const outcome of outcomes) await bed.store.decide(outcome);
    const [first, second] = outcomes.map((outcome) => outcome.tighten.commandId);
    expect(await bed.facts()).toContain(first);
    expect(await bed.facts()).not.toContain(second);
  });

  it('finds an attempt without an outcome, and stores only its first outcome', async () => {
    const attempt = attemptOf();
    const counted = countedOf(await bed.store.count(attempt, POLICY));
    const again = await bed.store.count({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(again).toEqual({ kind: 'unanswered', attempt: counted });
    expect(await bed.store.undecided(attempt.commandId, attempt.tenant)).toEqual({
      attempt: counted,
      fingerprint: attempt.fingerprint,
      referenceKey: attempt.referenceKey,
      subject: undefined,
    });
    const before = (await bed.facts()).length;
    const replies = [
      await bed.store.decide(outcomeOf(attempt, counted, 'rejected')),
      await bed.store.decide(outcomeOf(attempt, counted, 'verified')),
    ];
    expect(replies).toMatchObject([{ outcome: 'rejected' }, { outcome: 'rejected' }]);
    expect((await bed.facts()).length).toBe(before + 1);
    expect(await bed.store.undecided(attempt.commandId, attempt.tenant)).toBe('answered');
    expect(await bed.store.undecided(attempt.commandId, 'other')).toBe('answered');
    expect(await bed.store.undecided(randomUUID(), attempt.tenant)).toBeUndefined();
  });

  it('counts one attempt for a command that arrives ten times at once', async () => {
    const attempt = attemptOf();
    const results = await Promise.all(
      Array.from({ length: 10 }, () => bed.store.count({ ...attempt, attemptId: randomUUID() }, POLICY)),
    );
    expect(results.filter(({ kind }) => kind === 'counted')).toHaveLength(1);
    expect((await guess(attempt.referenceKey)).number).toBe(2);
  });
}

export function countedOf(result: CountResult): CountedAttempt {
  if (result.kind !== 'counted') throw new Error(`not counted but ${result.kind}`);
  return result.attempt;
}
