import fc from 'fast-check';
import { FairGate } from './fair-gate.js';
import { type Requester } from '@countersign/contracts';
import { SharedSlots } from './shared-slots.js';

const of = (tenant: string, caller = 'caller'): Requester => ({ tenant, agent: 'agent', caller });
const LONG = 60_000;
const gateOf = (places: number, mostWaiting = 1_000): FairGate =>
  new FairGate({
    slots: places,
    maxWaiting: mostWaiting,
    onTimeout: () => new Error('timed out'),
    onEvicted: () => new Error('gave way'),
  });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('slots that tenants share', () => {
  it('give a lone tenant half of them and leave one for each further tenant', () => {
    const places = new SharedSlots(8);
    const fill = (tenant: string): number => {
      let taken = 0;
      for (; places.mayTake(tenant); taken++) places.take(tenant);
      return taken;
    };
    expect([fill('a'), fill('b'), fill('c'), fill('d'), fill('e')]).toEqual([4, 2, 1, 1, 0]);
    places.release('a');
    expect([places.mayTake('a'), places.mayTake('e')]).toEqual([false, true]);
  });

  it('are never exceeded, and some tenant may take one while any is free', () => {
    const names = ['a', 'b', 'c', 'd'];
    const step = fc.record({ tenant: fc.constantFrom(...names), release: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 100 }), (size, steps) => {
        const places = new SharedSlots(size);
        const held = new Map<string, number>();
        for (const { tenant, release } of steps) {
          const count = held.get(tenant) ?? 0;
          if (release && count > 0) {
            places.release(tenant);
            held.set(tenant, count - 1);
          } else if (!release && places.mayTake(tenant)) {
            places.take(tenant);
            held.set(tenant, count + 1);
          }
          expect(places.taken).toBeLessThanOrEqual(size);
          if (places.taken < size) expect(places.mayTake('newcomer')).toBe(true);
        }
      }),
    );
  });
});

describe('a fair gate', () => {
  it('admits a quiet tenant at once while 400 requests of another tenant wait', async () => {
    const gate = gateOf(8);
    const entered: string[] = [];
    const leaves: (() => void)[] = [];
    for (let n = 0; n < 400; n++) {
      void gate.enter(of('busy', `caller ${n}`), LONG).then((leave) => {
        entered.push('busy');
        leaves.push(leave);
      });
    }
    void gate.enter(of('quiet'), LONG).then(() => entered.push('quiet'));
    await turn();
    expect([entered.filter((name) => name === 'busy').length, entered.at(-1), gate.waiting]).toEqual([4, 'quiet', 396]);
    while (leaves.length > 0) {
      leaves.pop()?.();
      await turn();
    }
    expect([entered.length, gate.waiting]).toEqual([401, 0]);
  });

  it('evicts the newest request of the busiest tenant when too many wait, not the request that arrived last', async () => {
    const gate = gateOf(1, 2);
    await gate.enter(of('busy'), LONG);
    const waiting = gate.enter(of('busy', 'second'), LONG);
    const newest = gate.enter(of('busy', 'third'), LONG);
    const newcomer = gate.enter(of('quiet'), LONG);
    await expect(newest).rejects.toThrow('gave way');
    expect(gate.waiting).toBe(2);
    for (const one of [waiting, newcomer]) one.catch(() => undefined);
  });

  it('rejects a request that waited too long and removes it from the queue', async () => {
    const gate = gateOf(1);
    const leave = await gate.enter(of('busy'), LONG);
    await expect(gate.enter(of('busy', 'second'), 1)).rejects.toThrow('timed out');
    expect(gate.waiting).toBe(0);
    leave();
    expect(gate.inside).toBe(0);
    await gate.enter(of('busy'), LONG);
    expect(gate.inside).toBe(1);
  });
});
