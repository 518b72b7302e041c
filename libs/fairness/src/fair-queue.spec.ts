import fc from 'fast-check';
import { FairQueue, inFairOrder } from './fair-queue.js';
import { type Requester } from '@countersign/contracts';

const of = (tenant: string, agent = 'agent', caller = 'caller'): Requester => ({ tenant, agent, caller });

const drain = <T>(queue: FairQueue<T>): T[] => {
  const all: T[] = [];
  while (queue.length > 0) all.push(queue.shift() as T);
  return all;
};

describe('a fair queue', () => {
  it.each([
    ['tenant', of('busy'), of('quiet')],
    ['agent of the same tenant', of('t', 'busy'), of('t', 'quiet')],
    ['caller of the same agent', of('t', 'a', 'busy'), of('t', 'a', 'quiet')],
  ])('returns the only item of one %s before the second item of another', (_, busy, quiet) => {
    const queue = new FairQueue<string>();
    for (let n = 1; n <= 400; n++) queue.push(busy, `busy ${n}`);
    queue.push(quiet, 'quiet');
    expect(drain(queue).slice(0, 3)).toEqual(['busy 1', 'quiet', 'busy 2']);
  });

  it('gives a tenant one turn, regardless of its number of agents and callers', () => {
    const queue = new FairQueue<string>();
    for (let n = 1; n <= 400; n++) queue.push(of('busy', `agent ${n % 7}`, `caller ${n}`), `busy ${n}`);
    queue.push(of('quiet'), 'quiet');
    expect(drain(queue).slice(0, 3)).toEqual(['busy 1', 'quiet', 'busy 2']);
  });

  it('keeps the turn of an item that the filter rejects', () => {
    const queue = new FairQueue<string>();
    for (const tenant of ['a', 'b']) for (const n of [1, 2]) queue.push(of(tenant), `${tenant}${n}`);
    expect(queue.shift({ tenant: (tenant) => tenant !== 'a' })).toBe('b1');
    expect(queue.shift({ item: (item) => item !== 'a1' })).toBe('b2');
    expect(queue.shift({ tenant: () => false })).toBeUndefined();
    expect(drain(queue)).toEqual(['a1', 'a2']);
  });

  it('evicts the newest item of the tenant with the most items', () => {
    const queue = new FairQueue<string>();
    queue.push(of('quiet'), 'quiet');
    for (let n = 1; n <= 3; n++) queue.push(of('busy', 'agent', `caller ${n % 2}`), `busy ${n}`);
    expect([queue.pop(), queue.length]).toEqual(['busy 3', 3]);
    queue.push(of('quiet'), 'quiet again');
    queue.push(of('quiet'), 'quiet once more');
    expect(queue.pop()).toBe('quiet once more');
  });

  it('removes one item and nothing else', () => {
    const queue = new FairQueue<string>();
    queue.push(of('a'), 'gone');
    queue.push(of('a'), 'stays');
    expect([queue.remove(of('a'), 'gone'), queue.remove(of('a'), 'gone'), queue.remove(of('b'), 'stays')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(drain(queue)).toEqual(['stays']);
  });
});

const names = fc.constantFrom('a', 'b', 'c');
const requester = fc.record({ tenant: names, agent: names, caller: names });
/** A push or a shift. */
const steps = fc.array(fc.option(requester, { nil: undefined, freq: 4 }), { maxLength: 300 });
interface Item extends Requester {
  readonly number: number;
}
const keyOf = ({ tenant, agent, caller }: Requester): string => `${tenant} ${agent} ${caller}`;

describe('in any sequence of pushes and shifts, a fair queue', () => {
  it('loses no item and keeps the order of each caller', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const queue = new FairQueue<Item>();
        const [pushed, taken]: [Item[], Item[]] = [[], []];
        all.forEach((step, number) => {
          if (step === undefined) {
            const item = queue.shift();
            if (item !== undefined) taken.push(item);
            return;
          }
          const item = { ...step, number };
          queue.push(item, item);
          pushed.push(item);
        });
        taken.push(...drain(queue));
        for (const key of new Set(pushed.map(keyOf))) {
          expect(taken.filter((item) => keyOf(item) === key)).toEqual(pushed.filter((item) => keyOf(item) === key));
        }
        expect([taken.length, queue.shift()]).toEqual([pushed.length, undefined]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['tenant', 'agent', 'caller'] as const)('never serves the same %s twice while another one waits', (level) => {
    fc.assert(
      fc.property(steps, (all) => {
        const queue = new FairQueue<Item>();
        /** Turns are taken only among children of the same parent. */
        const parentOf = (item: Requester): string =>
          level === 'tenant' ? '' : level === 'agent' ? item.tenant : `${item.tenant} ${item.agent}`;
        const shareOf = (item: Requester): string => `${parentOf(item)} ${item[level]}`;
        const waiting = new Map<string, number>();
        const passedBy = new Map<string, Set<string>>();
        const parents = new Map<string, string>();
        all.forEach((step, number) => {
          if (step !== undefined) {
            const share = shareOf(step);
            queue.push(step, { ...step, number });
            waiting.set(share, (waiting.get(share) ?? 0) + 1);
            parents.set(share, parentOf(step));
            if (!passedBy.has(share)) passedBy.set(share, new Set());
            return;
          }
          const item = queue.shift();
          if (item === undefined) return;
          const share = shareOf(item);
          const rest = (waiting.get(share) ?? 0) - 1;
          waiting.set(share, rest);
          passedBy.delete(share);
          for (const [other, passers] of passedBy) {
            if (parents.get(other) !== parents.get(share)) continue;
            expect(passers.has(share)).toBe(false);
            passers.add(share);
          }
          if (rest > 0) passedBy.set(share, new Set());
        });
      }),
      { numRuns: 300 },
    );
  });
});

it('a list in fair order holds the same items, those of each tenant in their order', () => {
  const items = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'];
  expect(inFairOrder(items, (item) => of(item.charAt(0)))).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
});
