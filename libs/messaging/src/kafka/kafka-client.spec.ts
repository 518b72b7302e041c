import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { partitionOf } from '../envelope/partitioner.js';
import { TopicNames } from './admin/topic-names.js';
import { pollingTimes } from './kafka-client.js';

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

describe('pollingTimes', () => {
  it.each([{}, { gathers: true }, { isOnlyMember: true }])(
    'lets a heartbeat reach the broker within every session that the settings allow, after a fetch too: %j',
    (role) => {
      for (const session of [1_000, 1_501, 3_000, 6_000, 10_000, 300_000]) {
        const { heartbeatInterval, maxWaitTimeInMs } = pollingTimes(role, session);
        expect((heartbeatInterval + maxWaitTimeInMs) * 3).toBeLessThanOrEqual(session * 2);
      }
    },
  );

  it('lets members wait longer when no caller waits for their records', () => {
    expect(pollingTimes({}, 10_000)).toEqual({ heartbeatInterval: 500, maxWaitTimeInMs: 500 });
    expect(pollingTimes({ gathers: true }, 10_000)).toEqual({ heartbeatInterval: 2_000, maxWaitTimeInMs: 1_000 });
  });
});
