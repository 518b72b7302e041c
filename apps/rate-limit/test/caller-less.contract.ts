import { randomUUID } from 'node:crypto';
import { type LimitDimension } from '@countersign/contracts';
import { type LimitDecision } from '../src/limits/limits.ports.js';
import { limitRequestOf, times, type LimitBed } from './limit-store-bed.js';

/** The promises of a limit store for requests without a caller. */
export function requestsWithoutCaller(open: () => LimitBed): void {
  const admit = (...parts: Parameters<typeof limitRequestOf>): Promise<LimitDecision> =>
    open().store.admit(limitRequestOf(...parts));

  it.each<[string, 'call' | 'subject', LimitDimension[]]>([
    ['its call', 'call', ['caller', 'subjectsPerCaller']],
    ['its subject', 'subject', ['caller', 'call', 'subjectsPerCaller']],
  ])(
    'stores a command without a caller under %s: its repetition is free, and it is refunded once',
    async (_, by, without) => {
      const key = randomUUID();
      const rules = { [by]: { limit: 2, periodSeconds: 60 } };
      const request = limitRequestOf({ [by]: key }, rules, { without });
      const deliveries = await times(4, () => open().store.admit(request));
      expect(deliveries.every(({ admitted }) => admitted)).toBe(true);
      expect(await open().store.admittedCommands(key, 60)).toEqual([request.command]);
      const others = await times(2, () => admit({ [by]: key }, rules, { without }));
      expect(others.map(({ admitted }) => admitted)).toEqual([true, false]);
      expect(await open().store.refund(request)).toBe(true);
      expect(await open().store.refund(request)).toBe(false);
      expect((await admit({ [by]: key }, rules, { without })).admitted).toBe(true);
    },
  );

  it('counts every delivery of a command that is never free, and stores no such command', async () => {
    const call = randomUUID();
    const rules = { call: { limit: 3, periodSeconds: 60 } };
    const without: LimitDimension[] = ['caller', 'subject', 'subjectsPerCaller'];
    const counted = limitRequestOf({ call }, rules, { without, repeatSeconds: 0 });
    const decisions = await times(4, () => open().store.admit(counted));
    expect(decisions.map(({ admitted }) => admitted)).toEqual([true, true, true, false]);
    expect(await open().store.admittedCommands(call, 60)).toEqual([]);
    expect(await open().store.refund(counted)).toBe(false);
  });

  it('decides requests with and without a caller in one batch, each by its own limits', async () => {
    const [caller, subject] = [randomUUID(), randomUUID()];
    const rules = { caller: { limit: 3, periodSeconds: 60 }, subject: { limit: 5, periodSeconds: 60 } };
    const without: LimitDimension[] = ['caller', 'call', 'subjectsPerCaller'];
    const decisions = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0 ? admit({ caller }, rules) : admit({ subject }, rules, { without }),
      ),
    );
    const admitted = (remainder: number): number =>
      decisions.filter((one, n) => n % 2 === remainder && one.admitted).length;
    expect([admitted(0), admitted(1)]).toEqual([3, 5]);
  });
}
