import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryBroker, type BusRecord, type ConsumedRecord, type Subscription } from '@countersign/messaging';
import { currentTrace, newTrace, runInTrace, traceIdOf, type TraceContext } from '@countersign/observability';
import { ServiceError } from '@countersign/runtime';
import { eventually } from '@countersign/testing';
import { register } from 'prom-client';
import { ObservedBroker } from './observed-broker.js';

const TOPIC = { name: 'spec.records', kind: 'command' } as const;
const never = (error: Error): void => {
  throw error;
};

function record(key: string, trace?: TraceContext): BusRecord {
  return { topic: TOPIC.name, key, value: Buffer.from('v'), headers: { ...trace } };
}

describe('the bus of a service', () => {
  let broker: ObservedBroker;

  beforeEach(async () => {
    broker = new ObservedBroker(new MemoryBroker({ partitions: 1 }), 'spec', undefined);
    await broker.ensureTopics([TOPIC]);
  });

  afterEach(() => broker.close());

  const consume = (handle: (read: ConsumedRecord) => Promise<void>): Promise<Subscription> =>
    broker.consume({ group: 'readers', topics: [TOPIC.name], maxInFlight: 1, onFatal: never }, handle);

  /** The samples of a metric for this service, by their other labels. */
  async function shown(name: string): Promise<string[]> {
    const text = await register.getSingleMetricAsString(name);
    return text.split('\n').filter((line) => line.includes('service="spec"'));
  }

  it('handles each record in the trace of its headers, and a record without one in no trace', async () => {
    const seen: (string | undefined)[] = [];
    const subscription = await consume(async () => {
      await Promise.resolve();
      const trace = currentTrace();
      seen.push(trace && traceIdOf(trace));
    });
    const [one, two] = [newTrace(), newTrace()];
    await broker.send([record('a', one), record('a'), record('a', two)]);
    await eventually('all are handled', () => seen.length === 3);
    expect(seen).toEqual([traceIdOf(one), undefined, traceIdOf(two)]);
    await subscription.close();
  });

  it('adds the trace of the sending code to a record, unless the record has stored one', async () => {
    const seen: ConsumedRecord[] = [];
    const subscription = await consume((read) => Promise.resolve(void seen.push(read)));
    const [sender, stored] = [newTrace(), { ...newTrace(), tracestate: 'a=1' }];
    await runInTrace(sender, () => broker.send([record('a')]));
    await broker.send([record('a', stored)]);
    await eventually('both are read', () => seen.length === 2);
    expect(seen.map(({ headers }) => headers)).toEqual([sender, stored]);
    await subscription.close();
  });

  it('removes the gauges of a consumer when it closes', async () => {
    const subscription = await consume(() => Promise.resolve());
    expect(await shown('countersign_records_in_flight')).toHaveLength(1);
    await subscription.close();
    expect(await shown('countersign_records_in_flight')).toEqual([]);
    expect(await shown('countersign_consumer_lag_records')).toEqual([]);
  });

  it('counts failed sends by error code, and shows 0 before the first one, so that it is an increase', async () => {
    const lost = { ...record('a'), topic: 'missing.topic' };
    await expect(broker.send([lost])).rejects.toBeInstanceOf(ServiceError);
    expect(await shown('countersign_send_failures_total')).toEqual([
      'countersign_send_failures_total{service="spec",code="BROKER_UNAVAILABLE"} 0',
      'countersign_send_failures_total{service="spec",code="INTERNAL"} 1',
    ]);
  });

  it('rethrows the error of a handler and measures its time', async () => {
    let attempts = 0;
    const subscription = await consume(() =>
      ++attempts < 2 ? Promise.reject(new Error('not yet')) : Promise.resolve(),
    );
    await broker.send([record('a')]);
    await eventually('it is handled at the second attempt', () => attempts === 2);
    const count = (await shown('countersign_handling_seconds')).find((line) => line.includes('_count'));
    expect(Number(count?.split(' ').at(-1))).toBeGreaterThanOrEqual(2);
    await subscription.close();
  });
});
