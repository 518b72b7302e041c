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
      made.maxConcurrent = Math.max(made.maxConcurrent, ++quarantined);
      await new Promise((resolve) => setImmediate(resolve));
      quarantined--;
      if (fail(read)) throw new Error('not yet');
      done.push(`quarantined ${read.key}${read.offset}`);
    },
    onProgress: () => undefined,
    onQuarantineCleared: (state) => void cleared.push(state),
  });
  const made: World = { flow, state: flow.partition('t', 0), done, cleared, maxConcurrent: 0 };
  return made;
}

describe('RecordFlow with a quarantine', () => {
  it('handles quarantined records one at a time, and takes no new record before each was attempted', async () => {
    const made = world();
    made.flow.quarantine(made.state, 0, 3);
    for (const [offset, key] of ['a', 'b', 'c'].entries())
      expect(made.flow.take(made.state, record(offset, key))).toBe(true);
    expect(made.flow.take(made.state, record(3, 'd'))).toBe(false);
    await until(() => made.cleared.length === 1, 'all tried');
    expect(made.flow.take(made.state, record(3, 'd'))).toBe(true);
    await until(() => made.done.length === 4, 'all handled');
    expect(made.done).toEqual(['quarantined a0', 'quarantined b1', 'quarantined c2', 'd3']);
    expect(made.maxConcurrent).toBe(1);
  });

  it('delays only the key of a quarantined record that fails with a retriable error, and keeps its order', async () => {
    let fails = true;
    const made = world(({ key }) => key === 'a' && fails);
    made.flow.quarantine(made.state, 0, 3);
    for (const [offset, key] of ['a', 'a', 'b'].entries()) made.flow.take(made.state, record(offset, key));
    await until(() => made.cleared.length === 1, 'all tried');
    made.flow.take(made.state, record(3, 'a'));
    made.flow.take(made.state, record(4, 'c'));
    await until(() => made.done.includes('c4'), 'the other keys continue');
    expect(made.done).toEqual(['quarantined b2', 'c4']);
    fails = false;
    await until(() => made.done.length === 5, 'all handled');
    expect(made.done.slice(2)).toEqual(['quarantined a0', 'quarantined a1', 'a3']);
  });

  it('ends the quarantine at the begin limit of the last commit', () => {
    const made = world();
    made.state.beginLimit = 2;
    made.flow.quarantine(made.state, 0, 100);
    expect(made.state.quarantine?.until).toBe(2);
    made.flow.quarantine(made.state, 0, 1);
    expect(made.state.quarantine?.until).toBe(1);
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
});
