import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { type Producer } from 'kafkajs';
import { type BusRecord } from '../../broker.js';
import { HEADERS } from '../../envelope/envelope.js';
import { BatchSender } from './batch-sender.js';
import { BrokerClock } from '../broker-clock.js';
import { BrokerHealth } from '../health.js';
import { KafkaClient } from '../kafka-client.js';

jest.setTimeout(60_000);

const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',').filter((broker) => broker !== '');
if (brokers.length === 0) throw new Error('set TEST_KAFKA_BROKERS (npm test does): this suite needs a real Kafka');

const TOPIC = `t${randomBytes(6).toString('hex')}.senders`;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One record of a tenant; an empty tenant: without a requester. */
const recordOf = (tenant: string, value = 'v'): BusRecord[] => [
  {
    topic: TOPIC,
    key: tenant,
    value: Buffer.from(value),
    headers: { type: 'test', id: randomUUID(), [HEADERS.requester]: `${tenant} agent caller` },
  },
];

/** The number of records in the topic. */
async function endOfTopic(): Promise<number> {
  const client = new KafkaClient({ brokers, clientId: 'batch-sender' });
  const offsets = await client.withAdmin((admin) => admin.fetchTopicOffsets(TOPIC));
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

/** A sender on a real producer that writes batches with a record of the tenant `held` only after `release`. */
function open() {
  const client = new KafkaClient({ brokers, clientId: 'batch-sender' });
  const batches: string[][] = [];
  const gates: (() => void)[] = [];
  const gated = (producer: Producer): Producer => ({
    ...producer,
    sendBatch: async (batch) => {
      const messages = (batch.topicMessages ?? []).flatMap((one) => one.messages);
      batches.push(messages.map(({ key, value }) => `${String(key)} ${String(value)}`));
      if (messages.some(({ key }) => key === 'held')) await new Promise<void>((resolve) => gates.push(resolve));
      return producer.sendBatch(batch);
    },
  });
  const health = new BrokerHealth();
  const sender = new BatchSender({
    producer: () => gated(client.producer()),
    health,
    clock: new BrokerClock(),
    clusterName: (topic) => topic,
    listTopics: async () => new Set(await client.withAdmin((admin) => admin.listTopics())),
    isEphemeral: () => false,
  });
  const release = async (): Promise<void> => {
    while (gates.length === 0) await turn();
    gates.shift()?.();
  };
  return { sender, batches, release, health };
}

describe('BatchSender', () => {
  beforeAll(async () => {
    const client = new KafkaClient({ brokers, clientId: 'batch-sender' });
    await client.withAdmin((admin) =>
      admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }], waitForLeaders: true }),
    );
  });

  it('writes the records of a tenant while a batch of another tenant is in flight', async () => {
    const { sender, release } = open();
    let isWritten = false;
    const held = sender.send(recordOf('held')).then(() => (isWritten = true));
    await turn();
    await sender.send(recordOf('quiet'));
    expect(isWritten).toBe(false);
    await release();
    await held;
    await sender.close();
  });

  it('has one batch of a tenant in flight at a time, so that its records keep their order', async () => {
    const { sender, batches, release } = open();
    const sent = [sender.send(recordOf('held', '1'))];
    while (batches.length === 0) await turn();
    sent.push(sender.send(recordOf('held', '2')), sender.send(recordOf('held', '3')));
    await sender.send(recordOf('quiet'));
    expect(batches).toEqual([['held 1'], ['quiet v']]);
    await release();
    await release();
    await Promise.all(sent);
    expect(batches).toEqual([['held 1'], ['quiet v'], ['held 2', 'held 3']]);
    await sender.close();
  });

  it('writes waiting records on close, and rejects records after it', async () => {
    const { sender, batches, release } = open();
    const sent = [sender.send(recordOf('held', '1'))];
    while (batches.length === 0) await turn();
    sent.push(sender.send(recordOf('held', '2')));
    const closed = sender.close();
    await release();
    await release();
    await Promise.all([...sent, closed]);
    await expect(sender.send(recordOf('late'))).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    expect(batches).toEqual([['held 1'], ['held 2']]);
  });

  it('rejects a record above the limit of the broker at once, writes the others, and stays healthy', async () => {
    const { sender, batches, health } = open();
    const failed = jest.spyOn(health, 'failed');
    const above = 'x'.repeat(2 * 1024 * 1024);
    const before = await endOfTopic();
    const results = await Promise.allSettled([
      sender.send(recordOf('large', '1')),
      sender.send([...recordOf('large', '2'), ...recordOf('large', above), ...recordOf('large', 'never sent')]),
      sender.send(recordOf('large', '3')),
      sender.send(recordOf('quiet', '4')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(results[1]).toMatchObject({
      reason: { code: 'INTERNAL', retriable: false, message: expect.stringContaining('too large') as string },
    });
    expect(failed).not.toHaveBeenCalled();
    expect(health.healthy()).toBe(true);
    expect((await endOfTopic()) - before).toBe(4);
    // The whole batch once, then each record once: nothing is retried.
    const alone = batches.slice(1).map((batch) => batch.map((text) => text.slice(0, 10)));
    expect(alone).toEqual([['large 1'], ['large 2'], ['large xxxx'], ['large 3'], ['quiet 4']]);
    await sender.close();
  });

  it('writes records that are too large only together', async () => {
    const { sender, health } = open();
    const failed = jest.spyOn(health, 'failed');
    const half = 'x'.repeat(600 * 1024);
    const before = await endOfTopic();
    await sender.send([...recordOf('large', half), ...recordOf('large', half)]);
    await Promise.all([sender.send(recordOf('large', half)), sender.send(recordOf('large', half))]);
    expect((await endOfTopic()) - before).toBe(4);
    expect(failed).not.toHaveBeenCalled();
    await sender.close();
  });
});
