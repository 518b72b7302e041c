import { HEADERS } from '../src/envelope/envelope.js';
import { type Broker, type BusRecord, type ConsumedRecord, type Subscription } from '../src/broker.js';
import { Gate, throwFatal, record, STATE, textOf, until, type ContractWorld } from './contract-world.js';

/**
 * How every broker MUST share a consumer among tenants; run by the spec of each. Uses one partition, so that only the
 * fair order decides.
 */
export function fairnessContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;

  const consume = async (
    handle: (record: ConsumedRecord) => Promise<void>,
    isSlow: (record: ConsumedRecord) => boolean = () => false,
  ): Promise<Subscription> => {
    const options = { group: 'readers', topics: [STATE.name], maxInFlight: 8, isSlow, onFatal: throwFatal };
    const subscription = await broker.consume(options, handle);
    await subscription.ready;
    return subscription;
  };

  /** Records of one agent, each with its own key. */
  const burst = (tenant: string, count: number): BusRecord[] =>
    Array.from({ length: count }, (_, n) =>
      withRequester(record(STATE, `${tenant} ${n}`, tenant), `${tenant} agent caller${n}`),
    );

  const withRequester = (made: BusRecord, requester: string): BusRecord => ({
    ...made,
    headers: { ...made.headers, [HEADERS.requester]: requester },
  });

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    await broker.ensureTopics([STATE]);
  });

  afterEach(() => world.close());

  it('begins the record of a quiet tenant at once while 60 of another tenant wait, and handles all in the end', async () => {
    const gate = new Gate();
    const begun: string[] = [];
    const subscription = await consume(async (read) => {
      begun.push(textOf(read));
      if (textOf(read) === 'busy') await gate.opened;
    });
    await broker.send([...burst('busy', 60), ...burst('quiet', 1)]);
    await until(() => begun.includes('quiet'), 'the record of the quiet tenant');
    expect(begun.filter((tenant) => tenant === 'busy')).toHaveLength(4);
    gate.open();
    await until(() => begun.length === 61, 'all records');
    await until(() => subscription.stats().lag.every(({ lag }) => lag === 0), 'all records finished');
  });

  it('begins a fast record while every slot for slow records is taken', async () => {
    const gate = new Gate();
    const begun: string[] = [];
    await consume(
      async (read) => {
        begun.push(textOf(read));
        if (textOf(read) === 'slow') await gate.opened;
      },
      (read) => textOf(read) === 'slow',
    );
    // Without a tenant, so that they may take every slot.
    const slow = Array.from({ length: 60 }, (_, n) => record(STATE, `slow ${n}`, 'slow'));
    await broker.send([...slow, record(STATE, 'key', 'other')]);
    await until(() => begun.includes('other'), 'the fast record');
    expect(begun.filter((kind) => kind === 'slow')).toHaveLength(8);
    gate.open();
    await until(() => begun.length === 61, 'all records');
  });

  it('keeps the order of a key with slow and fast records of several callers', async () => {
    const seen: string[] = [];
    await consume(
      async (read) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(textOf(read));
      },
      (read) => Number(textOf(read)) % 3 === 0,
    );
    const records = Array.from({ length: 30 }, (_, n) =>
      withRequester(record(STATE, 'key', String(n)), `t${n % 2} a c${n % 4}`),
    );
    await broker.send(records);
    await until(() => seen.length === 30, 'all records');
    expect(seen).toEqual(records.map(({ value }) => value.toString()));
  });
}
