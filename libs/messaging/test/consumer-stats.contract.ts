import { isDeepStrictEqual } from 'node:util';
import { type Broker, type ConsumedRecord, type Subscription } from '../src/broker.js';
import { Gate, never, record, STATE, until, type ContractWorld } from './contract-world.js';

/** What every broker MUST tell of its consumers; run by the spec of each. */
export function figuresContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;

  const consume = async (
    handle: (record: ConsumedRecord) => Promise<void>,
    maxInFlight = 64,
  ): Promise<Subscription> => {
    const options = { group: 'readers', topics: [STATE.name], maxInFlight, onFatal: never };
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

  it('tell what is in hand, what waits, what pauses, and how far behind a stuck partition is', async () => {
    const gate = new Gate();
    const subscription = await consume(async (read) => {
      if (read.key === 'stuck') await gate.passed;
      if (read.key === 'failing') throw new Error('not yet');
    });
    const sent = ['stuck', 'stuck', 'stuck', 'failing', 'quick'].map((key) => record(STATE, key, 'v'));
    await broker.send(sent);
    const seen = { inFlight: 1, waiting: 2, retrying: 1, lag: [{ topic: STATE.name, partition: 0, lag: 5 }] };
    await until(() => isDeepStrictEqual(subscription.stats(), seen), 'the figures of five records, none finished');
    gate.open();
    await until(() => subscription.stats().lag[0]?.lag === 2, 'the stuck ones finished, the failing one not');
  });

  it('count what comes while a full partition is not fetched from, and nothing when all is done', async () => {
    const gate = new Gate();
    const subscription = await consume(() => gate.passed, 1);
    const lag = (): number | undefined => subscription.stats().lag[0]?.lag;
    await broker.send(Array.from({ length: 300 }, (_, n) => record(STATE, `key-${n}`, 'v')));
    await until(() => lag() === 300, 'a full partition');
    await broker.send(Array.from({ length: 40 }, (_, n) => record(STATE, `late-${n}`, 'v')));
    await until(() => lag() === 340, 'the ones that came later');
    gate.open();
    await until(() => lag() === 0, 'nothing behind');
    expect(subscription.stats()).toMatchObject({ inFlight: 0, waiting: 0, retrying: 0 });
  });
}
