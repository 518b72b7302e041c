import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { partitionOf } from '../envelope/partitioner.js';
import { patchKafkajs } from './kafkajs-patches.js';
import { TopicNames } from './admin/topic-names.js';

describe('partitionOf', () => {
  it('agrees for any key with the partitioner of kafkajs, which follows the Java client', () => {
    const theirs = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (key, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          ...{ partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] },
        }));
        expect(partitionOf(key, count)).toBe(theirs({ topic: 't', partitionMetadata, message: { key, value: null } }));
      }),
    );
  });
});

describe('the idle timer of kafkajs', () => {
  it('is set only when requests are pending', () => {
    patchKafkajs();
    interface Queue {
      pending: unknown[];
      throttleCheckTimeoutId: NodeJS.Timeout | null;
      scheduleCheckPendingRequests(): void;
      destroy(): void;
    }
    const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as new (options: {
      logger: object;
    }) => Queue;
    const queue = new RequestQueue({ logger: {} });
    queue.scheduleCheckPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeFalsy();
    queue.pending.push({});
    queue.scheduleCheckPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeTruthy();
    queue.destroy();
  });
});

describe('a consumer of kafkajs', () => {
  interface Runner {
    retrier: (attempt: () => Promise<unknown>) => Promise<unknown>;
    start(): Promise<void>;
  }
  const load = createRequire(import.meta.url);
  const lost = Object.assign(new Error('refused'), { name: 'KafkaJSConnectionError' });

  it('looks for the new coordinator when the connection to the old one is lost', async () => {
    patchKafkajs();
    const { prototype } = load('kafkajs/src/consumer/consumerGroup.js') as {
      prototype: { heartbeat(options: unknown): Promise<void> };
    };
    const symbols: symbol[] = [];
    const group = new Proxy(
      {},
      {
        get: (_, name) => {
          if (typeof name === 'symbol') symbols.push(name);
          return () => Promise.reject(lost);
        },
      },
    );
    await expect(prototype.heartbeat.call(group, { interval: 1 })).rejects.toMatchObject({
      type: 'NOT_COORDINATOR_FOR_GROUP',
    });
    expect(symbols).not.toEqual([]);
  });

  it('keeps retrying after the retries of a connection are used up', async () => {
    patchKafkajs();
    const { prototype } = load('kafkajs/src/consumer/runner.js') as { prototype: Runner };
    const runner = {
      running: true,
      retrier: (attempt: () => Promise<unknown>) => attempt(),
    };
    await prototype.start.call(runner as unknown as Runner);
    const exhausted = Object.assign(new Error('exhausted', { cause: lost }), { retriable: false });
    await expect(runner.retrier(() => Promise.reject(exhausted))).rejects.toMatchObject({
      retriable: true,
      cause: exhausted,
    });
    const other = new Error('another');
    await expect(runner.retrier(() => Promise.reject(other))).rejects.toBe(other);
  });

  it.each([
    [
      'the group has no coordinator yet',
      Object.assign(new Error('none'), { name: 'KafkaJSGroupCoordinatorNotFound' }),
      true,
    ],
    ['a request was sent while its connection was being opened', new Error('Broker not connected'), true],
    [
      'a second connection attempt waited too long for the first',
      Object.assign(new Error('late'), { name: 'KafkaJSLockTimeout' }),
      true,
    ],
    ['the password is wrong', Object.assign(new Error('no'), { name: 'KafkaJSSASLAuthenticationError' }), undefined],
  ])('restarts after a crash only when a restart can help: %s', async (_, root, isRetriable) => {
    patchKafkajs();
    const { prototype } = load('kafkajs/src/consumer/runner.js') as { prototype: Runner };
    const crashes: unknown[] = [];
    const runner = { running: true, onCrash: (error: unknown) => Promise.resolve(crashes.push(error)) };
    await prototype.start.call(runner as unknown as Runner);
    const wrapped = new Error('outer', { cause: root });
    await runner.onCrash(wrapped);
    expect(crashes).toEqual([wrapped]);
    expect((root as { retriable?: boolean }).retriable).toBe(isRetriable);
  });
});

describe('TopicNames', () => {
  it('separates installations by the prefix', () => {
    const names = new TopicNames('one.');
    expect([names.inCluster('facts'), names.onBus('one.facts')]).toEqual(['one.facts', 'facts']);
    expect([names.owns('one.facts'), names.owns('two.facts')]).toEqual([true, false]);
  });

  it('rejects a prefix that Kafka does not allow in a name', () => {
    expect(() => new TopicNames('a/b')).toThrow('TOPIC_PREFIX');
  });
});
