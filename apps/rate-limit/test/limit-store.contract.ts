import { randomUUID } from 'node:crypto';
import { LIMIT_DIMENSIONS, type LimitDimension } from '@countersign/contracts';
import { type LimitDecision } from '../src/limits/limits.ports.js';
import { requestsWithoutCaller } from './caller-less.contract.js';
import { number, questionOf, times, type LimitBed } from './limit-store-bed.js';

const TEN = { limit: 10, periodSeconds: 60 };

/** What every limit store promises; run on the twin and on PostgreSQL. */
export function limitStoreContract(open: () => Promise<LimitBed>): void {
  let bed: LimitBed;
  beforeAll(async () => {
    bed = await open();
  });

  const ask = (...parts: Parameters<typeof questionOf>): Promise<LimitDecision> =>
    bed.store.admit(questionOf(...parts));

  it.each(LIMIT_DIMENSIONS)('admits exactly ten of two hundred requests that arrive at once: %s', async (dimension) => {
    const key = randomUUID();
    const keys = { [dimension === 'subjectsPerCaller' ? 'caller' : dimension]: key };
    const decisions = await Promise.all(Array.from({ length: 200 }, () => ask(keys, { [dimension]: TEN })));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(10);
    expect(decisions.filter(({ refusedBy }) => refusedBy?.dimension === dimension)).toHaveLength(190);
  });

  it('admits a rate of hundred a minute at once, and one more for each part of the minute that passes', async () => {
    const tenant = randomUUID();
    const rule = { limit: 100, periodSeconds: 6000 };
    const decisions = await Promise.all(Array.from({ length: 150 }, () => ask({ tenant }, { tenant: rule })));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(100);
    await bed.advance(120);
    const later = await times(5, () => ask({ tenant }, { tenant: rule }));
    expect(later.map(({ admitted }) => admitted)).toEqual([true, true, false, false, false]);
  });

  it('lets only the burst of a rate come at once', async () => {
    const agent = randomUUID();
    const rule = { limit: 100, periodSeconds: 6000, burst: 7 };
    const decisions = await times(10, () => ask({ agent }, { agent: rule }));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(7);
    expect(decisions[0]?.agent).toMatchObject({ remaining: 6 });
  });

  it('knows whom a caller has met within the period, and nobody else', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 3, periodSeconds: 3600 } };
    const met = () => bed.store.admittedMembers(caller, rules.subjectsPerCaller);
    expect(await met()).toEqual([]);
    const members = [number(), number(), number(), number()] as const;
    for (const member of members.slice(0, 2)) await ask({ caller }, rules, { member });
    await bed.advance(1800);
    for (const member of members.slice(2)) await ask({ caller }, rules, { member });
    expect(await met()).toEqual(members.slice(0, 3));
    await bed.advance(1801);
    expect(await met()).toEqual(members.slice(2, 3));
  });

  it('knows the newest commands of a caller that were let through, and none that was refused', async () => {
    const caller = randomUUID();
    const commands = Array.from({ length: 5 }, number);
    const later = number();
    const passed = () => bed.store.admittedCommands(caller, 60);
    expect(await passed()).toEqual([]);
    for (const command of commands) {
      await ask({ caller }, { caller: { limit: 3, periodSeconds: 60 } }, { command });
    }
    expect(await passed()).toEqual(commands.slice(0, 3));
    await bed.advance(61);
    await ask({ caller }, { caller: { limit: 1000, periodSeconds: 60 } }, { command: later });
    expect(await passed()).toEqual([later]);
    for (let n = 0; n < 70; n++) await ask({ caller }, { caller: { limit: 1000, periodSeconds: 60 } });
    expect(await passed()).toHaveLength(64);
  });

  it('spends nothing of the other limits when one refuses', async () => {
    const [tenant, subject] = [randomUUID(), randomUUID()];
    const rules = { tenant: TEN, subject: { limit: 2, periodSeconds: 60 } };
    const decisions = await Promise.all(Array.from({ length: 30 }, () => ask({ tenant, subject }, rules)));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(2);
    const others = await Promise.all(Array.from({ length: 30 }, () => ask({ tenant }, rules)));
    expect(others.filter(({ admitted }) => admitted)).toHaveLength(8);
  });

  it('tells the strictest of the limits that refuse, and how long it does', async () => {
    const [caller, call] = [randomUUID(), randomUUID()];
    const rules = { caller: { limit: 1, periodSeconds: 60 }, call: { limit: 1, periodSeconds: 600 } };
    await ask({ caller, call }, rules);
    await bed.advance(30);
    const { refusedBy } = await ask({ caller, call }, rules);
    expect(refusedBy?.dimension).toBe('call');
    expect(refusedBy?.retryAfterMs).toBeGreaterThan(560_000);
    expect(refusedBy?.retryAfterMs).toBeLessThanOrEqual(570_000);
  });

  it('admits again when the first one has left the window', async () => {
    const caller = randomUUID();
    await times(10, () => ask({ caller }, { caller: TEN }));
    await bed.advance(30);
    expect((await ask({ caller }, { caller: TEN })).admitted).toBe(false);
    await bed.advance(31);
    expect((await ask({ caller }, { caller: TEN })).admitted).toBe(true);
  });

  it('charges a repeated command once, in one batch and in several', async () => {
    const caller = randomUUID();
    const rules = { caller: { limit: 2, periodSeconds: 60 } };
    const command = number();
    const again = await Promise.all(Array.from({ length: 5 }, () => ask({ caller }, rules, { command })));
    again.push(await ask({ caller }, rules, { command }));
    expect(again.every(({ admitted }) => admitted)).toBe(true);
    const others = await times(2, () => ask({ caller }, rules));
    expect(others.map(({ admitted }) => admitted)).toEqual([true, false]);
    expect((await ask({ caller }, rules, { command })).admitted).toBe(true);
  });

  it.each([
    ['longer', 3600],
    ['shorter', 10],
  ])('lets a command pass again for as long as its answer is kept, where the period of callers is %s', async (_, s) => {
    const keys = { caller: randomUUID(), call: randomUUID() };
    const rules = { caller: { limit: 1, periodSeconds: s }, call: { limit: 1, periodSeconds: 3600 } };
    const command = number();
    const admitted: boolean[] = [];
    for (const seconds of [0, 15, 40, 15]) {
      await bed.advance(seconds);
      admitted.push((await ask(keys, rules, { command, repeatSeconds: 60 })).admitted);
    }
    expect(admitted).toEqual([true, true, true, false]);
  });

  it('lets a command whose answer is kept for a day pass again on the same day, whatever was used meanwhile', async () => {
    const [keys, rules] = [{ call: randomUUID() }, { call: { limit: 2, periodSeconds: 86_400 } }];
    const caller = randomUUID();
    const again = { command: number(), repeatSeconds: 86_400 };
    const admitted = [await ask({ ...keys, caller }, rules, again), await ask(keys, rules), await ask(keys, rules)];
    await bed.advance(86_000);
    admitted.push(await ask({ ...keys, caller }, rules, again), await ask(keys, rules));
    expect(admitted.map((one) => one.admitted)).toEqual([true, true, false, true, false]);
  });

  it('lets a caller return to its subjects and meet no more others than the limit', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 2, periodSeconds: 3600 } };
    const [a, b, c] = [number(), number(), number()];
    const admitted: boolean[] = [];
    for (const member of [a, b, c, a, b, c]) admitted.push((await ask({ caller }, rules, { member })).admitted);
    expect(admitted).toEqual([true, true, false, true, true, false]);
  });

  it('counts members of a limit that is not exact as a rate, and those it remembers once', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 65, periodSeconds: 360_000, burst: 65 } };
    const met = Array.from({ length: 70 }, () => number());
    const first = await Promise.all(met.map((member) => ask({ caller }, rules, { member })));
    expect(first.filter(({ admitted }) => admitted)).toHaveLength(65);
    const again = await Promise.all(met.slice(30, 65).map((member) => ask({ caller }, rules, { member })));
    expect(again.every(({ admitted }) => admitted)).toBe(true);
  });

  it('reports a limit in shadow mode and does not refuse', async () => {
    const subject = randomUUID();
    const rules = { subject: { limit: 1, periodSeconds: 60 } };
    const shadow: LimitDimension[] = ['subject'];
    const decisions = await times(3, () => ask({ subject }, rules, { shadow }));
    expect(decisions.map(({ admitted }) => admitted)).toEqual([true, true, true]);
    expect(decisions.map(({ shadowRefusals: shadowed }) => shadowed)).toEqual([[], ['subject'], ['subject']]);
  });

  it.each([
    ['exact', { limit: 1, periodSeconds: 600 }],
    ['a rate', { limit: 65, periodSeconds: 65_000, burst: 1 }],
  ])('knows and gives back the command of a caller who is over a limit in shadow mode: %s', async (_, rule) => {
    const keys = { caller: randomUUID(), call: randomUUID() };
    const rules = { caller: rule, call: { limit: 2, periodSeconds: 600 } };
    const shadow: LimitDimension[] = ['caller'];
    await ask(keys, rules, { shadow });
    await bed.advance(10);
    const over = questionOf(keys, rules, { shadow });
    expect((await bed.store.admit(over)).shadowRefusals).toEqual(['caller']);
    expect(await bed.store.admit(over)).toMatchObject({ admitted: true, shadowRefusals: [] });
    expect((await ask(keys, rules, { shadow })).refusedBy?.dimension).toBe('call');
    expect(await bed.store.refund(over)).toBe(true);
    expect((await ask(keys, rules, { shadow })).shadowRefusals).toEqual(['caller']);
  });

  it('says once that a limit comes near', async () => {
    const [caller, tenant] = [randomUUID(), randomUUID()];
    const rules = { caller: TEN, tenant: { limit: 70, periodSeconds: 7000, burst: 5 } };
    const decisions = await times(5, () => ask({ caller, tenant }, rules));
    // The rate goes on between the requests, so that it comes near with the fourth or the fifth.
    expect(decisions.flatMap(({ nearLimit: near }) => near)).toEqual(['tenant']);
    const later = await times(5, () => ask({ caller }, { caller: TEN }));
    expect(later.map(({ nearLimit: near }) => near)).toEqual([[], [], ['caller'], [], []]);
  });

  it('gives back what a command has spent, once', async () => {
    const keys = { caller: randomUUID(), subject: randomUUID(), tenant: randomUUID() };
    const rules = { caller: TEN, subject: TEN, tenant: { limit: 100, periodSeconds: 100_000, burst: 10 } };
    const asked = questionOf(keys, rules);
    await bed.store.admit(asked);
    expect(await bed.store.refund(asked)).toBe(true);
    expect(await bed.store.refund(asked)).toBe(false);
    expect(await bed.store.refund(questionOf(keys, rules))).toBe(false);
    const decisions = await times(11, () => ask(keys, rules));
    expect(decisions.map(({ admitted }) => admitted)).toEqual([...Array.from({ length: 10 }, () => true), false]);
  });

  requestsWithoutCaller(() => bed);

  it('forgets what was used when it is reset', async () => {
    const caller = randomUUID();
    const rules = { caller: { limit: 1, periodSeconds: 60 }, subjectsPerCaller: { limit: 1, periodSeconds: 60 } };
    await ask({ caller }, rules);
    await bed.reset('caller', caller);
    expect((await ask({ caller }, rules)).refusedBy?.dimension).toBe('subjectsPerCaller');
    await bed.reset('subjectsPerCaller', caller);
    expect((await ask({ caller }, rules)).admitted).toBe(true);
  });

  it('says what is left of a quota', async () => {
    const tenant = randomUUID();
    await times(3, () => ask({ tenant }, { tenant: TEN }));
    const [known, unknown] = await bed.store.remaining([
      { key: tenant, rule: TEN },
      { key: randomUUID(), rule: TEN },
    ]);
    expect(known?.remaining).toBe(7);
    expect(unknown).toEqual({ remaining: 10, resetMs: 0 });
  });
}
