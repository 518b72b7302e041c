import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { partitionOf } from '../partitioner.js';
import { repairKafkajs } from './kafkajs-repairs.js';
import { TopicNames } from './topic-names.js';

describe('partitionOf', () => {
  it('agrees with the partitioner of kafkajs, which is that of Java, for any key', () => {
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
  it('is not set when nothing is pending, and is set when something is', () => {
    repairKafkajs();
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

describe('TopicNames', () => {
  it('keeps installations apart by the prefix', () => {
    const names = new TopicNames('one.');
    expect([names.inCluster('facts'), names.onBus('one.facts')]).toEqual(['one.facts', 'facts']);
    expect([names.owns('one.facts'), names.owns('two.facts')]).toEqual([true, false]);
  });

  it('refuses a prefix that Kafka would refuse in a name', () => {
    expect(() => new TopicNames('a/b')).toThrow('TOPIC_PREFIX');
  });
});
