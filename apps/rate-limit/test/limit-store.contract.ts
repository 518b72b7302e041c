import { randomUUID } from 'node:crypto';
import { LIMIT_DIMENSIONS, type LimitDimension } from '@countersign/contracts';
import { type LimitDecision } from '../src/limits/limits.ports.js';
import { requestsWithoutCaller } from './caller-less.contract.js';
import { number, limitRequestOf, times, type LimitBed } from './limit-store-bed.js';

const TEN = { limit: 10, periodSeconds: 60 };

/** The promises of every limit store; runs on the fake and on PostgreSQL. */
export function limitStoreContract(open: () => Promise<LimitBed>): void {
  let bed: LimitBed;
  beforeAll(async () => {
    bed = await open();
  });

  const admit = (...parts: Parameters<typeof limitRequestOf>): Promise<LimitDecision> =>
    bed.store.admit(limitRequestOf(...parts));

  it.each(LIMIT_DIMENSIONS)('admits exactly ten of two hundred requests that arrive at once: %s', async (dimension) => {
    const key = randomUUID();
    const keys = { [dimension === 'subjectsPerCaller' ? 'caller' : dimension]: key };
    const decisions = await Promise.all(Array.from({ length: 200 }, () => admit(keys, { [dimension]: TEN })));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(10);
    expect(decisions.filter(({ refusedBy }) => refusedBy?.dimension === dimension)).toHaveLength(190);
  });

  it('admits the whole limit of a rate at once, and one more request after each emission interval', async () => {
    const tenant = randomUUID();
    const rule = { limit: 100, periodSeconds: 6000 };
    const decisions = await Promise.all(Array.from({ length: 150 }, () => admit({ tenant }, { tenant: rule })));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(100);
    await bed.advance(120);
    const later = await times(5, () => admit({ tenant }, { tenant: rule }));
    expect(later.map(({ admitted }) => admitted)).toEqual([true, true, false, false, false]);
  });

  it('admits only the burst of a rate at once', async () => {
    const agent = randomUUID();
    const rule = { limit: 100, periodSeconds: 6000, burst: 7 };
    const decisions = await times(10, () => admit({ agent }, { agent: rule }));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(7);
    expect(decisions[0]?.agent).toMatchObject({ remaining: 6 });
  });

  it('lists the members that were admitted for a caller within the period, and no others', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 3, periodSeconds: 3600 } };
    const admittedMembers = () => bed.store.admittedMembers(caller, rules.subjectsPerCaller);
    expect(await admittedMembers()).toEqual([]);
    const members = [number(), number(), number(), number()] as const;
    for (const member of members.slice(0, 2)) await admit({ caller }, rules, { member });
    await bed.advance(1800);
    for (const member of members.slice(2)) await admit({ caller }, rules, { member });
    expect(await admittedMembers()).toEqual(members.slice(0, 3));
    await bed.advance(1801);
    expect(await admittedMembers()).toEqual(members.slice(2, 3));
  });

  it('lists the newest 64 admitted commands of a caller, and no refused one', async () => {
    const caller = randomUUID();
    const commands = Array.from({ length: 5 }, number);
    const later = number();
    const admittedCommands = () => bed.store.admittedCommands(caller, 60);
    expect(await admittedCommands()).toEqual([]);
    for (const command of commands) {
      await admit({ caller }, { caller: { limit: 3, periodSeconds: 60 } }, { command });
    }
    expect(await admittedCommands()).toEqual(commands.slice(0, 3));
    await bed.advance(61);
    await admit({ caller }, { caller: { limit: 1000, periodSeconds: 60 } }, { command: later });
    expect(await admittedCommands()).toEqual([later]);
    for (let n = 0; n < 70; n++) await admit({ caller }, { caller: { limit: 1000, periodSeconds: 60 } });
    expect(await admittedCommands()).toHaveLength(64);
  });

  it('counts a request that one limit refuses at no other limit', async () => {
    const [tenant, subject] = [randomUUID(), randomUUID()];
    const rules = { tenant: TEN, subject: { limit: 2, periodSeconds: 60 } };
    const decisions = await Promise.all(Array.from({ length: 30 }, () => admit({ tenant, subject }, rules)));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(2);
    const others = await Promise.all(Array.from({ length: 30 }, () => admit({ tenant }, rules)));
    expect(others.filter(({ admitted }) => admitted)).toHaveLength(8);
  });

  it('reports the refusing limit with the longest wait, and that wait', async () => {
    const [caller, call] = [randomUUID(), randomUUID()];
    const rules = { caller: { limit: 1, periodSeconds: 60 }, call: { limit: 1, periodSeconds: 600 } };
    await admit({ caller, call }, rules);
    await bed.advance(30);
    const { refusedBy } = await admit({ caller, call }, rules);
    expect(refusedBy?.dimension).toBe('call');
    expect(refusedBy?.retryAfterMs).toBeGreaterThan(560_000);
    expect(refusedBy?.retryAfterMs).toBeLessThanOrEqual(570_000);
  });

  it('admits again when the oldest admission has left the window', async () => {
    const caller = randomUUID();
    await times(10, () => admit({ caller }, { caller: TEN }));
    await bed.advance(30);
    expect((await admit({ caller }, { caller: TEN })).admitted).toBe(false);
    await bed.advance(31);
    expect((await admit({ caller }, { caller: TEN })).admitted).toBe(true);
  });

  it('counts a repeated command once, within one batch and over several', async () => {
    const caller = randomUUID();
    const rules = { caller: { limit: 2, periodSeconds: 60 } };
    const command = number();
    const deliveries = await Promise.all(Array.from({ length: 5 }, () => admit({ caller }, rules, { command })));
    deliveries.push(await admit({ caller }, rules, { command }));
    expect(deliveries.every(({ admitted }) => admitted)).toBe(true);
    const others = await times(2, () => admit({ caller }, rules));
    expect(others.map(({ admitted }) => admitted)).toEqual([true, false]);
    expect((await admit({ caller }, rules, { command })).admitted).toBe(true);
  });

  it.each([
    ['longer', 3600],
    ['shorter', 10],
  ])('admits a repetition as long as the reply is stored, if the period of the caller limit is %s', async (_, s) => {
    const keys = { caller: randomUUID(), call: randomUUID() };
    const rules = { caller: { limit: 1, periodSeconds: s }, call: { limit: 1, periodSeconds: 3600 } };
    const command = number();
    const admitted: boolean[] = [];
    for (const seconds of [0, 15, 40, 15]) {
      await bed.advance(seconds);
      admitted.push((await admit(keys, rules, { command, repeatSeconds: 60 })).admitted);
    }
    expect(admitted).toEqual([true, true, true, false]);
  });

  it('admits a repetition within a day if the reply is stored for a day, even when the limit is reached by then', async () => {
    const [keys, rules] = [{ call: randomUUID() }, { call: { limit: 2, periodSeconds: 86_400 } }];
    const caller = randomUUID();
    const repeated = { command: number(), repeatSeconds: 86_400 };
    const admitted = [
      await admit({ ...keys, caller }, rules, repeated),
      await admit(keys, rules),
      await admit(keys, rules),
    ];
    await bed.advance(86_000);
    admitted.push(await admit({ ...keys, caller }, rules, repeated), await admit(keys, rules));
    expect(admitted.map((one) => one.admitted)).toEqual([true, true, false, true, false]);
  });

  it('admits a caller with earlier subjects, and with no more different subjects than the limit', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 2, periodSeconds: 3600 } };
    const [a, b, c] = [number(), number(), number()];
    const admitted: boolean[] = [];
    for (const member of [a, b, c, a, b, c]) admitted.push((await admit({ caller }, rules, { member })).admitted);
    expect(admitted).toEqual([true, true, false, true, true, false]);
  });

  it('counts new members of a limit above 64 as a rate, and members among the newest 64 once', async () => {
    const caller = randomUUID();
    const rules = { subjectsPerCaller: { limit: 65, periodSeconds: 360_000, burst: 65 } };
    const members = Array.from({ length: 70 }, () => number());
    const first = await Promise.all(members.map((member) => admit({ caller }, rules, { member })));
    expect(first.filter(({ admitted }) => admitted)).toHaveLength(65);
    const repetitions = await Promise.all(members.slice(30, 65).map((member) => admit({ caller }, rules, { member })));
    expect(repetitions.every(({ admitted }) => admitted)).toBe(true);
  });

  it('reports a refusal by a limit in shadow mode, and admits the request', async () => {
    const subject = randomUUID();
    const rules = { subject: { limit: 1, periodSeconds: 60 } };
    const shadow: LimitDimension[] = ['subject'];
    const decisions = await times(3, () => admit({ subject }, rules, { shadow }));
    expect(decisions.map(({ admitted }) => admitted)).toEqual([true, true, true]);
    expect(decisions.map(({ shadowRefusals }) => shadowRefusals)).toEqual([[], ['subject'], ['subject']]);
  });

  it.each([
    ['exact', { limit: 1, periodSeconds: 600 }],
    ['a rate', { limit: 65, periodSeconds: 65_000, burst: 1 }],
  ])(
    'repeats for free and refunds a command that was admitted over a shadow limit of its caller: %s',
    async (_, rule) => {
      const keys = { caller: randomUUID(), call: randomUUID() };
      const rules = { caller: rule, call: { limit: 2, periodSeconds: 600 } };
      const shadow: LimitDimension[] = ['caller'];
      await admit(keys, rules, { shadow });
      await bed.advance(10);
      const over = limitRequestOf(keys, rules, { shadow });
      expect((await bed.store.admit(over)).shadowRefusals).toEqual(['caller']);
      expect(await bed.store.admit(over)).toMatchObject({ admitted: true, shadowRefusals: [] });
      expect((await admit(keys, rules, { shadow })).refusedBy?.dimension).toBe('call');
      expect(await bed.store.refund(over)).toBe(true);
      expect((await admit(keys, rules, { shadow })).shadowRefusals).toEqual(['caller']);
    },
  );

  it('reports a near limit once', async () => {
    const [caller, tenant] = [randomUUID(), randomUUID()];
    const rules = { caller: TEN, tenant: { limit: 70, periodSeconds: 7000, burst: 5 } };
    const decisions = await times(5, () => admit({ caller, tenant }, rules));
    // The rate recovers between the requests, so the fourth or the fifth request reaches 80 %.
    expect(decisions.flatMap(({ nearLimit }) => nearLimit)).toEqual(['tenant']);
    const later = await times(5, () => admit({ caller }, { caller: TEN }));
    expect(later.map(({ nearLimit }) => nearLimit)).toEqual([[], [], ['caller'], [], []]);
  });

  it('refunds what a command used, once', async () => {
    const keys = { caller: randomUUID(), subject: randomUUID(), tenant: randomUUID() };
    const rules = { caller: TEN, subject: TEN, tenant: { limit: 100, periodSeconds: 100_000, burst: 10 } };
    const request = limitRequestOf(keys, rules);
    await bed.store.admit(request);
    expect(await bed.store.refund(request)).toBe(true);
    expect(await bed.store.refund(request)).toBe(false);
    expect(await bed.store.refund(limitRequestOf(keys, rules))).toBe(false);
    const decisions = await times(11, () => admit(keys, rules));
    expect(decisions.map(({ admitted }) => admitted)).toEqual([...Array.from({ length: 10 }, () => true), false]);
  });

  requestsWithoutCaller(() => bed);

  it('admits again after a reset of the limit that refused', async () => {
    const caller = randomUUID();
    const rules = { caller: { limit: 1, periodSeconds: 60 }, subjectsPerCaller: { limit: 1, periodSeconds: 60 } };
    await admit({ caller }, rules);
    await bed.reset('caller', caller);
    expect((await admit({ caller }, rules)).refusedBy?.dimension).toBe('subjectsPerCaller');
    await bed.reset('subjectsPerCaller', caller);
    expect((await admit({ caller }, rules)).admitted).toBe(true);
  });

  it('reports what remains of a quota', async () => {
    const tenant = randomUUID();
    await times(3, () => admit({ tenant }, { tenant: TEN }));
    const [known, unknown] = await bed.store.remaining([
      { key: tenant, rule: TEN },
      { key: randomUUID(), rule: TEN },
    ]);
    expect(known?.remaining).toBe(7);
    expect(unknown).toEqual({ remaining: 10, resetMs: 0 });
  });
}
