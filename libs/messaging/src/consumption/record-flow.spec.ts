import fc from 'fast-check';
import { type ConsumedRecord } from '../broker.js';
import { until } from '../../test/contract-world.js';
import { type PartitionState } from './partition-state.js';
import { RecordFlow } from './record-flow.js';

const record = (offset: number, key: string): ConsumedRecord => ({
  ...{ topic: 't', partition: 0, offset: String(offset), key, value: Buffer.from(''), headers: {}, timestamp: 0 },
});

interface World {
  readonly flow: RecordFlow;
  readonly state: PartitionState;
  readonly done: string[];
  readonly cleared: PartitionState[];
  maxConcurrent: number;
}

/** @param fail returns true for a record whose handler rejects */
function world(fail: (record: ConsumedRecord) => boolean = () => false): World {
  const [done, cleared]: [string[], PartitionState[]] = [[], []];
  let quarantined = 0;
  const flow = new RecordFlow({
    maxInFlight: 16,
    handle: (read) => Promise.resolve(void done.push(`${read.key}${read.offset}`)),
    handleQuarantined: async (read) => {
      setup.maxConcurrent = Math.max(setup.maxConcurrent, ++quarantined);
      await new Promise((resolve) => setImmediate(resolve));
      quarantined--;
      if (fail(read)) throw new Error('not yet');
      done.push(`quarantined ${read.key}${read.offset}`);
    },
    onProgress: () => undefined,
    onQuarantineCleared: (state) => void cleared.push(state),
  });
  const setup: World = { flow, state: flow.partition('t', 0), done, cleared, maxConcurrent: 0 };
  return setup;
}

describe('RecordFlow with a quarantine', () => {
  it('handles quarantined records one at a time, and takes no new record before each was attempted', async () => {
    const setup = world();
    setup.flow.quarantine(setup.state, 0, 3);
    for (const [offset, key] of ['a', 'b', 'c'].entries())
      expect(setup.flow.take(setup.state, record(offset, key))).toBe(true);
    expect(setup.flow.take(setup.state, record(3, 'd'))).toBe(false);
    await until(() => setup.cleared.length === 1, 'all tried');
    expect(setup.flow.take(setup.state, record(3, 'd'))).toBe(true);
    await until(() => setup.done.length === 4, 'all handled');
    expect(setup.done).toEqual(['quarantined a0', 'quarantined b1', 'quarantined c2', 'd3']);
    expect(setup.maxConcurrent).toBe(1);
  });

  it('delays only the key of a quarantined record that fails with a retriable error, and keeps its order', async () => {
    let fails = true;
    const setup = world(({ key }) => key === 'a' && fails);
    setup.flow.quarantine(setup.state, 0, 3);
    for (const [offset, key] of ['a', 'a', 'b'].entries()) setup.flow.take(setup.state, record(offset, key));
    await until(() => setup.cleared.length === 1, 'all tried');
    setup.flow.take(setup.state, record(3, 'a'));
    setup.flow.take(setup.state, record(4, 'c'));
    await until(() => setup.done.includes('c4'), 'the other keys continue');
    expect(setup.done).toEqual(['quarantined b2', 'c4']);
    fails = false;
    await until(() => setup.done.length === 5, 'all handled');
    expect(setup.done.slice(2)).toEqual(['quarantined a0', 'quarantined a1', 'a3']);
  });

  it('ends the quarantine at the begin limit of the last commit', () => {
    const setup = world();
    setup.state.beginLimit = 2;
    setup.flow.quarantine(setup.state, 0, 100);
    expect(setup.state.quarantine?.until).toBe(2);
    setup.flow.quarantine(setup.state, 0, 1);
    expect(setup.state.quarantine?.until).toBe(1);
  });
});

describe('RecordFlow with a begin limit', () => {
  it('begins no record at or above the limit until a commit raises it', () => {
    const { flow, state } = world();
    state.beginLimit = 2;
    expect([0, 1, 2].map((offset) => flow.take(state, record(offset, 'k')))).toEqual([true, true, false]);
    state.beginLimit = flow.nextBeginLimit(state);
    expect(flow.take(state, record(2, 'k'))).toBe(true);
  });

  /** Takes as many records as the limit allows, at most `count`. */
  const takeUpTo = ({ flow, state }: World, count: number): number => {
    const first = state.tracker.last + 1;
    for (let taken = 0; taken < count; taken++) if (!flow.take(state, record(first + taken, 'k'))) return taken;
    return count;
  };

  it('never begins a record that the limit of the last successful commit does not cover', () => {
    const step = fc.oneof(
      fc.record({ take: fc.integer({ min: 1, max: 200 }) }),
      fc.constantFrom({ request: true } as const, { succeed: true } as const, { fail: true } as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const setup = world();
        const { flow, state } = setup;
        let requested: number | undefined;
        // What a successor would read.
        let committed: number | undefined;
        for (const one of steps) {
          if ('take' in one) takeUpTo(setup, one.take);
          else if ('request' in one) requested ??= flow.nextBeginLimit(state);
          else if (requested !== undefined) {
            if ('succeed' in one) committed = state.beginLimit = requested;
            requested = undefined;
          }
          expect(state.tracker.last).toBeLessThan(committed ?? Infinity);
          if (committed === undefined) expect(state.begunCount).toBeLessThanOrEqual(flow.beginWindow);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('RecordFlow with records of one key', () => {
  it.each([
    { isUnordered: false, atOnce: 1 },
    { isUnordered: true, atOnce: 3 },
  ])('handles $atOnce of 3 at a time when their order is ignored: $isUnordered', async ({ isUnordered, atOnce }) => {
    const open: (() => void)[] = [];
    const flow = new RecordFlow({
      ...{ maxInFlight: 16, isUnordered, onProgress: () => undefined },
      handle: () => new Promise<void>((resolve) => open.push(resolve)),
    });
    const state = flow.partition('t', 0);
    for (const offset of [0, 1, 2]) flow.take(state, record(offset, 'k'));
    expect(open).toHaveLength(atOnce);
    while (state.unfinishedCount > 0) {
      open.pop()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(state.tracker.committable).toBe(3);
  });
});
