import { randomUUID } from 'node:crypto';
import { FactRecorded, message, VerificationDecided, type Outcome } from '@countersign/contracts';
import { type Attempt, type AttemptStore, type SpentAttempt, type SpendResult } from '../ports.js';

export const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };

export interface AttemptBed {
  readonly store: AttemptStore;
  /** Lets time pass for this store. */
  advance(seconds: number): Promise<void>;
  /** Facts that were handed over so far, by id. */
  facts(): Promise<string[]>;
}

export function attemptOf(more: Partial<Attempt> = {}): Attempt {
  return {
    attemptId: randomUUID(),
    commandId: `command-${randomUUID()}`,
    fingerprint: 'f'.repeat(64),
    repeatSeconds: 60,
    tenant: 'acme',
    agent: 'front-desk',
    guardKey: randomUUID(),
    method: 'pin',
    subject: undefined,
    callId: undefined,
    caller: undefined,
    cap: 100,
    ...more,
  };
}

export function verdictOf(
  attempt: Attempt,
  spent: SpentAttempt,
  outcome: Outcome,
): Parameters<AttemptStore['close']>[0] {
  const reply = message(VerificationDecided, {
    commandId: attempt.commandId,
    outcome,
    level: outcome === 'verified' ? 'verified' : 'none',
    verificationId: spent.attemptId,
  });
  const fact = message(FactRecorded, {
    factId: randomUUID(),
    kind: 'attempt.decided',
    time: spent.spentAt,
    tenant: attempt.tenant,
    outcome,
  });
  const { tenant, fingerprint, guardKey, caller } = attempt;
  return { tenant, fingerprint, guardKey, attempt: spent, caller, reply, facts: [fact] };
}

/** What every attempt store promises; run on the twin and on PostgreSQL. */
export function attemptStoreContract(open: () => Promise<AttemptBed>): void {
  let bed: AttemptBed;
  beforeAll(async () => {
    bed = await open();
  });

  const guess = async (guardKey: string, policy = POLICY): Promise<SpentAttempt> =>
    spentOf(await bed.store.spend(attemptOf({ guardKey }), policy));

  it('grants three guesses, numbers every try, and refuses from the fourth on', async () => {
    const guardKey = randomUUID();
    const tries: SpentAttempt[] = [];
    for (let n = 0; n < 5; n++) tries.push(await guess(guardKey));
    expect(tries.map(({ granted }) => granted)).toEqual([true, true, true, false, false]);
    expect(tries.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0, 0]);
    expect(tries.map(({ chargedLock }) => chargedLock)).toEqual([false, false, true, false, false]);
    expect(tries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  it('grants exactly three of fifty guesses that arrive at once', async () => {
    const guardKey = randomUUID();
    const tries = await Promise.all(Array.from({ length: 50 }, () => guess(guardKey)));
    expect(tries.filter(({ granted }) => granted)).toHaveLength(3);
    expect(tries.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, n) => n + 1),
    );
  });

  it('keeps references and tenants apart', async () => {
    const guardKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(guardKey);
    const elsewhere = await bed.store.spend(attemptOf({ guardKey, tenant: 'other' }), POLICY);
    expect(spentOf(elsewhere)).toMatchObject({ granted: true, number: 1 });
  });

  it('opens after the lock with a whole budget, and doubles the next lock', async () => {
    const guardKey = randomUUID();
    const granted = async (): Promise<boolean> => (await guess(guardKey)).granted;
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

  it('gives the budget back after a success', async () => {
    const guardKey = randomUUID();
    await guess(guardKey);
    await guess(guardKey);
    const attempt = attemptOf({ guardKey });
    const spent = spentOf(await bed.store.spend(attempt, POLICY));
    expect(spent.chargedLock).toBe(true);
    await bed.store.close(verdictOf(attempt, spent, 'verified'));
    expect((await guess(guardKey)).remaining).toBe(2);
  });

  it('locks with the first guess when the budget is one', async () => {
    const guardKey = randomUUID();
    const one = { ...POLICY, perWindow: 1 };
    expect(await guess(guardKey, one)).toMatchObject({ granted: true, chargedLock: true, remaining: 0 });
    expect(await guess(guardKey, one)).toMatchObject({ granted: false });
  });

  it('compares nothing when a tightened policy leaves no budget', async () => {
    const guardKey = randomUUID();
    await guess(guardKey, { ...POLICY, perWindow: 5 });
    await guess(guardKey, { ...POLICY, perWindow: 5 });
    expect(await guess(guardKey, { ...POLICY, perWindow: 2 })).toMatchObject({
      granted: false,
      chargedLock: true,
      remaining: 0,
    });
  });

  it('shares one budget between recognized and unrecognized callers, of which the last attempt is reserved', async () => {
    const guardKey = randomUUID();
    const by = async (caller: string): Promise<SpentAttempt> =>
      spentOf(await bed.store.spend(attemptOf({ guardKey, caller }), POLICY));
    const first = attemptOf({ guardKey, caller: 'owner' });
    const spent = spentOf(await bed.store.spend(first, POLICY));
    await bed.store.close(verdictOf(first, spent, 'verified'));
    const unrecognized = true;
    expect(await by('other 1')).toMatchObject({ granted: true, unrecognized, remaining: 2 });
    expect(await by('other 2')).toMatchObject({ granted: true, unrecognized, remaining: 1 });
    for (const caller of ['other 3', 'other 4'])
      expect(await by(caller)).toMatchObject({ granted: false, unrecognized, remaining: 0 });
    expect(await by('owner')).toMatchObject({ granted: true, unrecognized: false, remaining: 0, chargedLock: true });
    for (const caller of ['owner', 'other 5']) expect(await by(caller)).toMatchObject({ granted: false, remaining: 0 });
  });

  it('grants exactly three of fifty attempts that arrive at once from recognized and unrecognized callers', async () => {
    const guardKey = randomUUID();
    const by = async (caller: string): Promise<SpentAttempt> =>
      spentOf(await bed.store.spend(attemptOf({ guardKey, caller }), POLICY));
    const first = attemptOf({ guardKey, caller: 'owner' });
    await bed.store.close(verdictOf(first, spentOf(await bed.store.spend(first, POLICY)), 'verified'));
    const tries = await Promise.all(Array.from({ length: 50 }, (_, n) => by(n % 2 === 0 ? 'owner' : `other ${n}`)));
    const granted = tries.filter((one) => one.granted);
    expect(granted).toHaveLength(3);
    expect(granted.filter(({ unrecognized }) => unrecognized).length).toBeLessThan(3);
  });

  it('disables a credential with the last guess of the cap, unless it is right', async () => {
    const guardKey = randomUUID();
    const policy = { ...POLICY, perWindow: 9 };
    const last = async (): Promise<[Attempt, SpentAttempt]> => {
      const attempt = attemptOf({ guardKey, cap: 2 });
      return [attempt, spentOf(await bed.store.spend(attempt, policy))];
    };
    expect((await last())[1]).toMatchObject({ granted: true, chargedDisable: false, disabled: false, remaining: 1 });
    const [attempt, spent] = await last();
    expect(spent).toMatchObject({ granted: true, chargedDisable: true, disabled: true, remaining: 0 });
    expect((await last())[1]).toMatchObject({ granted: false, chargedDisable: false, disabled: true });
    await bed.store.close(verdictOf(attempt, spent, 'verified'));
    expect((await last())[1]).toMatchObject({ granted: true, disabled: false });
  });

  it('is opened by an unlock, once for a command, and forgives no failure by it', async () => {
    const guardKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(guardKey);
    const commandId = randomUUID();
    const fact = verdictOf(attemptOf({ guardKey }), await guess(guardKey), 'locked').facts[0];
    if (!fact) throw new Error('no fact');
    await bed.store.unlock(commandId, 'acme', guardKey, () => fact);
    expect(await bed.facts()).toContain(fact.factId);
    for (let n = 0; n < 3; n++) expect(await guess(guardKey)).toMatchObject({ granted: true });
    await bed.store.unlock(commandId, 'acme', guardKey, () => fact);
    expect(await guess(guardKey)).toMatchObject({ granted: false });
    await bed.store.unlock(randomUUID(), 'acme', guardKey, () =>
      message(FactRecorded, { ...fact, factId: randomUUID() }),
    );
    const disabling = spentOf(await bed.store.spend(attemptOf({ guardKey, cap: 7 }), POLICY));
    expect(disabling).toMatchObject({ granted: true, chargedDisable: true });
    await bed.store.unlock(randomUUID(), 'acme', guardKey, () =>
      message(FactRecorded, { ...fact, factId: randomUUID() }),
    );
    expect(await guess(guardKey)).toMatchObject({ granted: false, disabled: true });
  });

  it('counts the credentials of a reference apart', async () => {
    const guardKey = randomUUID();
    for (let n = 0; n < 4; n++) await guess(guardKey);
    const knowledge = await bed.store.spend(attemptOf({ guardKey, method: 'knowledge' }), POLICY);
    expect(spentOf(knowledge)).toMatchObject({ granted: true, number: 1 });
  });

  it('answers a repeated command from the store and spends nothing', async () => {
    const attempt = attemptOf();
    const spent = spentOf(await bed.store.spend(attempt, POLICY));
    const { reply } = verdictOf(attempt, spent, 'rejected');
    await bed.store.close(verdictOf(attempt, spent, 'rejected'));
    const again = await bed.store.spend({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(again).toMatchObject({ kind: 'answered', reply: { ...reply } });
    expect((await guess(attempt.guardKey)).number).toBe(2);
  });

  it('counts the same command again after its time, and refuses another guess under its id', async () => {
    const attempt = attemptOf();
    await bed.store.close(verdictOf(attempt, spentOf(await bed.store.spend(attempt, POLICY)), 'rejected'));
    const other = { ...attempt, attemptId: randomUUID(), fingerprint: '0'.repeat(64) };
    expect(await bed.store.spend(other, POLICY)).toEqual({ kind: 'mismatch' });
    await bed.advance(31);
    // The time is that of the command that was counted: another message under its id cannot end it.
    expect(await bed.store.spend({ ...other, repeatSeconds: 1 }, POLICY)).toEqual({ kind: 'mismatch' });
    await bed.advance(30);
    const later = await bed.store.spend({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(spentOf(later).number).toBe(2);
  });

  it('finds a try that was cut off before its verdict, and closes it once', async () => {
    const attempt = attemptOf();
    const spent = spentOf(await bed.store.spend(attempt, POLICY));
    const again = await bed.store.spend({ ...attempt, attemptId: randomUUID() }, POLICY);
    expect(again).toEqual({ kind: 'unanswered', attempt: spent });
    expect(await bed.store.unanswered(attempt.commandId, attempt.tenant)).toEqual({
      attempt: spent,
      fingerprint: attempt.fingerprint,
      guardKey: attempt.guardKey,
      subject: undefined,
    });
    const before = (await bed.facts()).length;
    const replies = [
      await bed.store.close(verdictOf(attempt, spent, 'rejected')),
      await bed.store.close(verdictOf(attempt, spent, 'verified')),
    ];
    expect(replies).toMatchObject([{ outcome: 'rejected' }, { outcome: 'rejected' }]);
    expect((await bed.facts()).length).toBe(before + 1);
    expect(await bed.store.unanswered(attempt.commandId, attempt.tenant)).toBe('answered');
    expect(await bed.store.unanswered(attempt.commandId, 'other')).toBe('answered');
    expect(await bed.store.unanswered(randomUUID(), attempt.tenant)).toBeUndefined();
  });

  it('spends once for a command that arrives ten times at once', async () => {
    const attempt = attemptOf();
    const results = await Promise.all(
      Array.from({ length: 10 }, () => bed.store.spend({ ...attempt, attemptId: randomUUID() }, POLICY)),
    );
    expect(results.filter(({ kind }) => kind === 'spent')).toHaveLength(1);
    expect((await guess(attempt.guardKey)).number).toBe(2);
  });
}

export function spentOf(result: SpendResult): SpentAttempt {
  if (result.kind !== 'spent') throw new Error(`not spent but ${result.kind}`);
  return result.attempt;
}
