import { randomUUID } from 'node:crypto';
import { type LimitDimension } from '@countersign/contracts';
import { type LimitDecision } from '../src/limits/limits.ports.js';
import { questionOf, times, type LimitBed } from './limit-store-bed.js';

/** What every limit store promises of requests that have no caller. */
export function requestsWithoutCaller(open: () => LimitBed): void {
  const ask = (...parts: Parameters<typeof questionOf>): Promise<LimitDecision> =>
    open().store.admit(questionOf(...parts));

  it.each<[string, 'call' | 'subject', LimitDimension[]]>([
    ['its call', 'call', ['caller', 'subjectsPerCaller']],
    ['its subject', 'subject', ['caller', 'call', 'subjectsPerCaller']],
  ])(
    'holds a command without a caller by %s: its repetition is free, and it is given back once',
    async (_, by, without) => {
      const key = randomUUID();
      const rules = { [by]: { limit: 2, periodSeconds: 60 } };
      const asked = questionOf({ [by]: key }, rules, { without });
      const again = await times(4, () => open().store.admit(asked));
      expect(again.every(({ admitted }) => admitted)).toBe(true);
      expect(await open().store.admittedCommands(key, 60)).toEqual([asked.command]);
      const others = await times(2, () => ask({ [by]: key }, rules, { without }));
      expect(others.map(({ admitted }) => admitted)).toEqual([true, false]);
      expect(await open().store.refund(asked)).toBe(true);
      expect(await open().store.refund(asked)).toBe(false);
      expect((await ask({ [by]: key }, rules, { without })).admitted).toBe(true);
    },
  );

  it('counts a command that is never free each time that it comes, and takes no place from others', async () => {
    const call = randomUUID();
    const rules = { call: { limit: 3, periodSeconds: 60 } };
    const without: LimitDimension[] = ['caller', 'subject', 'subjectsPerCaller'];
    const counted = questionOf({ call }, rules, { without, repeatSeconds: 0 });
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
        n % 2 === 0 ? ask({ caller }, rules) : ask({ subject }, rules, { without }),
      ),
    );
    const admitted = (remainder: number): number =>
      decisions.filter((one, n) => n % 2 === remainder && one.admitted).length;
    expect([admitted(0), admitted(1)]).toEqual([3, 5]);
  });
}
