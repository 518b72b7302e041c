import { isDeepStrictEqual } from 'node:util';
import { type Broker, type ConsumedRecord, type Subscription } from '../src/broker.js';
import { Gate, throwFatal, record, STATE, until, type ContractWorld } from './contract-world.js';

/** What every broker MUST report about its consumers; run by the spec of each. */
export function consumerStatsContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;

  const consume = async (
    handle: (record: ConsumedRecord) => Promise<void>,
    maxInFlight = 64,
  ): Promise<Subscription> => {
    const options = { group: 'readers', topics: [STATE.name], maxInFlight, onFatal: throwFatal };
    const subscription = await broker.consume(options, handle);
    await subscription.ready;
    return subscription;
  };

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    await broker.ensureTopics([STATE]);
  });

  afterEach(() => world.close());

  it('report records in flight, waiting and retrying, and the lag of a stuck partition', async () => {
    const gate = new Gate();
    const subscription = await consume(async (read) => {
      if (read.key === 'stuck') await gate.opened;
      if (read.key === 'failing') throw new Error('not yet');
    });
    const sent = ['stuck', 'stuck', 'stuck', 'failing', 'quick'].map((key) => record(STATE, key, 'v'));
    await broker.send(sent);
    const seen = { inFlight: 1, waiting: 2, retrying: 1, lag: [{ topic: STATE.name, partition: 0, lag: 5 }] };
    await until(() => isDeepStrictEqual(subscription.stats(), seen), 'the stats of five unfinished records');
    gate.open();
    await until(() => subscription.stats().lag[0]?.lag === 2, 'the stuck ones finished, the failing one not');
  });

  it('count new records of a paused partition in the lag, and report no lag when all are handled', async () => {
    const gate = new Gate();
    const subscription = await consume(() => gate.opened, 1);
    const lag = (): number | undefined => subscription.stats().lag[0]?.lag;
    await broker.send(Array.from({ length: 300 }, (_, n) => record(STATE, `key-${n}`, 'v')));
    await until(() => lag() === 300, 'a full partition');
    await broker.send(Array.from({ length: 40 }, (_, n) => record(STATE, `late-${n}`, 'v')));
    await until(() => lag() === 340, 'the later records');
    gate.open();
    await until(() => lag() === 0, 'no lag');
    expect(subscription.stats()).toMatchObject({ inFlight: 0, waiting: 0, retrying: 0 });
  });
}
