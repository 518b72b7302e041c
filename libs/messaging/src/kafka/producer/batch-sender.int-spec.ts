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

/** A sender on a real producer that writes batches with a record of the tenant `held` only after `release`. */
function open(lingerMs: number) {
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
  const sender = new BatchSender({
    producer: () => gated(client.producer()),
    health: new BrokerHealth(),
    clock: new BrokerClock(),
    lingerMs,
    clusterName: (topic) => topic,
    listTopics: async () => new Set(await client.withAdmin((admin) => admin.listTopics())),
    isEphemeral: () => false,
  });
  const release = async (): Promise<void> => {
    while (gates.length === 0) await turn();
    gates.shift()?.();
  };
  return { sender, batches, release };
}

describe('BatchSender', () => {
  beforeAll(async () => {
    const client = new KafkaClient({ brokers, clientId: 'batch-sender' });
    await client.withAdmin((admin) => admin.createTopics({ topics: [{ topic: TOPIC }], waitForLeaders: true }));
  });

  it('writes the records of a tenant while a batch of another tenant is in flight', async () => {
    const { sender, release } = open(0);
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
    const { sender, batches, release } = open(0);
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
    const { sender, batches, release } = open(0);
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

  it('ends the linger at the first record of another tenant', async () => {
    // Far longer than the test: only a full batch or a new tenant ends the linger.
    const lingerMs = 600_000;
    const { sender, batches } = open(lingerMs);
    // Many records per millisecond, so lingering is worthwhile from now on. Without a tenant, so that none counts as
    // new.
    await Promise.all(Array.from({ length: 50 }, (_, n) => sender.send(recordOf('', String(n)))));
    let isOver = false;
    let next = 0;
    const gathering: Promise<void>[] = [];
    // One more record in each turn, so that no pause ends the linger either. Twelve fill the batch.
    const feed = async (): Promise<void> => {
      while (!isOver && next < 11) {
        gathering.push(sender.send(recordOf('', `more ${next++}`)));
        await turn();
      }
    };
    const fed = feed();
    await turn();
    await sender.send(recordOf('quiet'));
    isOver = true;
    await Promise.all([fed, ...gathering]);
    const withQuiet = batches.find((batch) => batch.includes('quiet v'));
    expect(withQuiet?.length).toBeLessThan(11);
    await sender.close();
  });
});
