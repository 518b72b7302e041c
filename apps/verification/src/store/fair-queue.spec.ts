import fc from 'fast-check';
import { FairQueue } from './fair-queue.js';

const drain = <T>(queue: FairQueue<T>): T[] => {
  const all: T[] = [];
  while (queue.length > 0) all.push(queue.shift() as T);
  return all;
};

it('lets one who asks once go before the second of one who asks often', () => {
  const queue = new FairQueue<string>();
  for (let n = 1; n <= 10; n++) queue.push({ tenant: 't', caller: 'loud' }, `loud ${n}`);
  queue.push({ tenant: 't', caller: 'quiet' }, 'quiet');
  expect(drain(queue).slice(0, 3)).toEqual(['loud 1', 'quiet', 'loud 2']);
});

it('lets a tenant of one caller go before the second of a tenant of many', () => {
  const queue = new FairQueue<string>();
  for (let n = 1; n <= 10; n++) queue.push({ tenant: 'big', caller: `caller ${n}` }, `big ${n}`);
  queue.push({ tenant: 'small', caller: 'caller' }, 'small');
  expect(drain(queue).slice(0, 3)).toEqual(['big 1', 'small', 'big 2']);
});

it('loses nothing, keeps the order of each caller, and makes nobody wait for more than one of each other caller', () => {
  const asker = fc.record({ tenant: fc.constant('t'), caller: fc.constantFrom('a', 'b', 'c', 'd') });
  fc.assert(
    fc.property(fc.array(fc.oneof(asker, fc.constant(undefined)), { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<{ caller: string; number: number }>();
      const pushed = new Map<string, number[]>();
      const taken = new Map<string, number[]>();
      /** How many of others went since a caller that waits went last. */
      const passedBy = new Map<string, string[]>();
      let number = 0;
      const take = (): boolean => {
        const item = queue.shift();
        if (item === undefined) return true;
        taken.set(item.caller, [...(taken.get(item.caller) ?? []), item.number]);
        for (const [caller, others] of passedBy) if (caller !== item.caller) others.push(item.caller);
        const waits = (pushed.get(item.caller)?.length ?? 0) > (taken.get(item.caller)?.length ?? 0);
        if (waits) passedBy.set(item.caller, []);
        else passedBy.delete(item.caller);
        return [...passedBy.values()].every((others) => new Set(others).size === others.length);
      };
      for (const step of steps) {
        if (step === undefined) {
          if (!take()) return false;
          continue;
        }
        queue.push(step, { caller: step.caller, number: ++number });
        pushed.set(step.caller, [...(pushed.get(step.caller) ?? []), number]);
        if (!passedBy.has(step.caller)) passedBy.set(step.caller, []);
      }
      while (queue.length > 0) if (!take()) return false;
      return JSON.stringify([...pushed].sort()) === JSON.stringify([...taken].sort());
    }),
    { numRuns: 500 },
  );
});
