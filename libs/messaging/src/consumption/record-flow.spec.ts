import { type ConsumedRecord } from '../broker.js';
import { until } from '../../test/contract-world.js';
import { type PartitionState } from './partition-state.js';
import { RecordFlow } from './record-flow.js';

const record = (offset: number, key: string): ConsumedRecord => ({
  ...{ topic: 't', partition: 0, offset: String(offset), key, value: Buffer.from(''), headers: {}, timestamp: 0 },
});

interface World {
  readonly flow: RecordFlow;
  readonly lane: PartitionState;
  readonly done: string[];
  readonly cleared: PartitionState[];
  most: number;
}

/** @param fail rejects for a record that is to be tried again */
function world(fail: (record: ConsumedRecord) => boolean = () => false): World {
  const [done, cleared]: [string[], PartitionState[]] = [[], []];
  let careful = 0;
  const flow = new RecordFlow({
    maxInFlight: 16,
    handle: (read) => Promise.resolve(void done.push(`${read.key}${read.offset}`)),
    handleQuarantined: async (read) => {
      made.most = Math.max(made.most, ++careful);
      await new Promise((resolve) => setImmediate(resolve));
      careful--;
      if (fail(read)) throw new Error('not yet');
      done.push(`careful ${read.key}${read.offset}`);
    },
    onProgress: () => undefined,
    onQuarantineCleared: (lane) => void cleared.push(lane),
  });
  const made: World = { flow, lane: flow.partition('t', 0), done, cleared, most: 0 };
  return made;
}

describe('suspicious records', () => {
  it('are handled one at a time, and nothing new is taken before all of them were tried', async () => {
    const made = world();
    made.flow.quarantine(made.lane, 0, 3);
    for (const [offset, key] of ['a', 'b', 'c'].entries())
      expect(made.flow.take(made.lane, record(offset, key))).toBe(true);
    expect(made.flow.take(made.lane, record(3, 'd'))).toBe(false);
    await until(() => made.cleared.length === 1, 'all tried');
    expect(made.flow.take(made.lane, record(3, 'd'))).toBe(true);
    await until(() => made.done.length === 4, 'all handled');
    expect(made.done).toEqual(['careful a0', 'careful b1', 'careful c2', 'd3']);
    expect(made.most).toBe(1);
  });

  it('that fail for a reason that passes hold up their own key alone, and keep its order', async () => {
    let fails = true;
    const made = world(({ key }) => key === 'a' && fails);
    made.flow.quarantine(made.lane, 0, 3);
    for (const [offset, key] of ['a', 'a', 'b'].entries()) made.flow.take(made.lane, record(offset, key));
    await until(() => made.cleared.length === 1, 'all tried');
    made.flow.take(made.lane, record(3, 'a'));
    made.flow.take(made.lane, record(4, 'c'));
    await until(() => made.done.includes('c4'), 'the others go on');
    expect(made.done).toEqual(['careful b2', 'c4']);
    fails = false;
    await until(() => made.done.length === 5, 'all handled');
    expect(made.done.slice(2)).toEqual(['careful a0', 'careful a1', 'a3']);
  });

  it('end where the last commit promised that nothing was begun', () => {
    const made = world();
    made.lane.beginLimit = 2;
    made.flow.quarantine(made.lane, 0, 100);
    expect(made.lane.quarantine?.until).toBe(2);
    made.flow.quarantine(made.lane, 0, 1);
    expect(made.lane.quarantine?.until).toBe(1);
  });
});

describe('a lane', () => {
  it('begins nothing from the promised offset on until a commit promises more', () => {
    const { flow, lane } = world();
    lane.beginLimit = 2;
    expect([0, 1, 2].map((offset) => flow.take(lane, record(offset, 'k')))).toEqual([true, true, false]);
    lane.beginLimit = flow.nextBeginLimit(lane);
    expect(flow.take(lane, record(2, 'k'))).toBe(true);
  });
});
