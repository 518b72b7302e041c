import fc from 'fast-check';
import { Gate, until } from '../../test/contract-world.js';
import { KeyQueues } from './key-queues.js';

interface Item {
  readonly key: string;
  readonly number: number;
  readonly group?: string;
}

describe('KeyQueues', () => {
  it('handles all items, in order per key and within the limit in flight, even when some fail', async () => {
    const plan = fc.record({
      keys: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 80 }),
      maxInFlight: fc.integer({ min: 1, max: 5 }),
      failing: fc.uniqueArray(fc.nat(79), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ keys, maxInFlight, failing }) => {
        const remainingFailures = new Set(failing);
        const finished: Item[] = [];
        let maxInFlightSeen = 0;
        const queues = new KeyQueues<Item>({
          maxInFlight,
          handle: async (item) => {
            maxInFlightSeen = Math.max(maxInFlightSeen, queues.inFlight);
            await Promise.resolve();
            if (remainingFailures.delete(item.number)) throw new Error('first attempt');
          },
          onFinished: (item) => finished.push(item),
        });
        keys.forEach((key, number) => queues.push(String(key), { key: String(key), number }));
        await until(() => finished.length === keys.length, 'all finished');
        for (const key of new Set(finished.map((item) => item.key))) {
          const numbers = finished.filter((item) => item.key === key).map((item) => item.number);
          expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        }
        expect(maxInFlightSeen).toBeLessThanOrEqual(maxInFlight);
      }),
      { numRuns: 30 },
    );
  });

  it('lets another key use the slot of an item that waits for its retry', async () => {
    const finished: string[] = [];
    const queues = new KeyQueues<Item>({
      maxInFlight: 1,
      handle: (item) => (item.key === 'bad' ? Promise.reject(new Error('always')) : Promise.resolve()),
      onFinished: (item) => finished.push(item.key),
    });
    queues.push('bad', { key: 'bad', number: 0 });
    queues.push('good', { key: 'good', number: 1 });
    await until(() => finished.includes('good'), 'the other key');
    queues.stop();
  });

  it('drops items that were not begun, lets begun items finish, and does not retry dropped items', async () => {
    const gate = new Gate();
    const begun: number[] = [];
    const finished: number[] = [];
    const queues = new KeyQueues<Item>({
      maxInFlight: 2,
      handle: async (item) => {
        begun.push(item.number);
        await gate.opened;
        if (item.number === 1) throw new Error('too late to matter');
      },
      onFinished: (item) => finished.push(item.number),
    });
    const items = ['a', 'b', 'a', 'b', 'c'].map((key, number) => ({
      key,
      number,
      group: key === 'c' ? 'kept' : 'dropped',
    }));
    for (const item of items) queues.push(item.key, item);
    queues.drop((item) => item.group === 'dropped');
    gate.open();
    await until(() => finished.includes(4), 'the kept item');
    queues.stop();
    await queues.idle(1_000);
    expect(begun).toEqual([0, 1, 4]);
    expect(finished).toEqual([0, 4]);
  });

  it('drops an item that waits for its retry, and continues with the next item of its key', async () => {
    const finished: number[] = [];
    let failures = 0;
    const queues = new KeyQueues<Item>({
      maxInFlight: 2,
      handle: (item) => {
        if (item.number === 0) failures++;
        return item.number === 0 ? Promise.reject(new Error('always')) : Promise.resolve();
      },
      onFinished: (item) => finished.push(item.number),
    });
    queues.push('a', { key: 'a', number: 0, group: 'dropped' });
    queues.push('a', { key: 'a', number: 1 });
    await until(() => failures === 1 && queues.inFlight === 0, 'the first failure');
    queues.drop((item) => item.group === 'dropped');
    await until(() => finished.includes(1), 'the next of its key');
    expect(failures).toBe(1);
  });

  it('stops waiting for idle at the limit when a handler never finishes', async () => {
    const queues = new KeyQueues<Item>({
      maxInFlight: 1,
      handle: () => new Promise(() => undefined),
      onFinished: () => undefined,
    });
    queues.push('a', { key: 'a', number: 0 });
    queues.stop();
    await queues.idle(20);
    expect(queues.inFlight).toBe(1);
  });

  it('retries an item when its handler throws before it returns a promise', async () => {
    const finished: number[] = [];
    let thrown = false;
    const queues = new KeyQueues<Item>({
      maxInFlight: 1,
      handle: () => {
        if (thrown) return Promise.resolve();
        thrown = true;
        throw new Error('at once');
      },
      onFinished: (item) => finished.push(item.number),
    });
    queues.push('a', { key: 'a', number: 0 });
    await until(() => finished.length === 1, 'the retry');
  });
});
