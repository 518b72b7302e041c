import { HEADERS } from '../src/envelope/envelope.js';
import { type Broker, type BusRecord, type ConsumedRecord, type Subscription } from '../src/broker.js';
import { Gate, never, record, STATE, textOf, until, type ContractWorld } from './contract-world.js';

/** How every broker MUST share a consumer among tenants; run by the spec of each. One partition: nothing but turns tell. */
export function fairnessContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;

  const consume = async (
    handle: (record: ConsumedRecord) => Promise<void>,
    isSlow: (record: ConsumedRecord) => boolean = () => false,
  ): Promise<Subscription> => {
    const options = { group: 'readers', topics: [STATE.name], maxInFlight: 8, isSlow, onFatal: never };
    const subscription = await broker.consume(options, handle);
    await subscription.ready;
    return subscription;
  };

  /** Records of a key each, of one agent. */
  const burst = (tenant: string, count: number): BusRecord[] =>
    Array.from({ length: count }, (_, n) => of(record(STATE, `${tenant} ${n}`, tenant), `${tenant} agent caller${n}`));

  const of = (made: BusRecord, requester: string): BusRecord => ({
    ...made,
    headers: { ...made.headers, [HEADERS.requester]: requester },
  });

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    await broker.ensureTopics([STATE]);
  });

  afterEach(() => world.close());

  it('begin the record of a quiet tenant at once while 60 of another one wait, and handle all in the end', async () => {
    const gate = new Gate();
    const begun: string[] = [];
    const subscription = await consume(async (read) => {
      begun.push(textOf(read));
      if (textOf(read) === 'busy') await gate.passed;
    });
    await broker.send([...burst('busy', 60), ...burst('quiet', 1)]);
    await until(() => begun.includes('quiet'), 'the record of the quiet tenant');
    expect(begun.filter((tenant) => tenant === 'busy')).toHaveLength(4);
    gate.open();
    await until(() => begun.length === 61, 'all records');
    await until(() => subscription.stats().lag.every(({ lag }) => lag === 0), 'all records finished');
  });

  it('begin a record that needs nothing scarce while every place for slow ones is taken', async () => {
    const gate = new Gate();
    const begun: string[] = [];
    await consume(
      async (read) => {
        begun.push(textOf(read));
        if (textOf(read) === 'slow') await gate.passed;
      },
      (read) => textOf(read) === 'slow',
    );
    // Of no tenant, so that they may take every place.
    const slow = Array.from({ length: 60 }, (_, n) => record(STATE, `slow ${n}`, 'slow'));
    await broker.send([...slow, record(STATE, 'key', 'other')]);
    await until(() => begun.includes('other'), 'the record that needs nothing scarce');
    expect(begun.filter((kind) => kind === 'slow')).toHaveLength(8);
    gate.open();
    await until(() => begun.length === 61, 'all records');
  });

  it('keep the order of a key whose records are of several callers, slow and not', async () => {
    const seen: string[] = [];
    await consume(
      async (read) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(textOf(read));
      },
      (read) => Number(textOf(read)) % 3 === 0,
    );
    const records = Array.from({ length: 30 }, (_, n) => of(record(STATE, 'key', String(n)), `t${n % 2} a c${n % 4}`));
    await broker.send(records);
    await until(() => seen.length === 30, 'all records');
    expect(seen).toEqual(records.map(({ value }) => value.toString()));
  });
}
