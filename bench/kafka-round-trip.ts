import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { keepInFlight, latency } from './figures.js';

/**
 * The bare round trip: one record to a topic, an echo, one record back, by the same client library and the same broker
 * as the product, without the product. Sends of one moment travel together, as in the product.
 * Arguments: brokers, seconds, in flight, copies of each partition. Prints round trips per second and their milliseconds.
 */
const [brokers = '', seconds = '10', inFlight = '50', replication = '1'] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(','), clientId: 'bare', logLevel: logLevel.NOTHING });
const [there, back] = [`bare-there-${randomUUID()}`, `bare-back-${randomUUID()}`];
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({
  waitForLeaders: true,
  topics: [
    { topic: there, numPartitions: 6, replicationFactor: Number(replication) },
    { topic: back, numPartitions: 1, replicationFactor: Number(replication) },
  ],
});

class Batcher {
  readonly #producer = kafka.producer({ allowAutoTopicCreation: false });
  #waiting: { topic: string; key: string; value: Buffer }[] = [];
  #sending = false;

  connect = (): Promise<void> => this.#producer.connect();
  disconnect = (): Promise<void> => this.#producer.disconnect();

  send(topic: string, key: string, value: Buffer): void {
    this.#waiting.push({ topic, key, value });
    if (!this.#sending) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const topics = [...new Set(batch.map(({ topic }) => topic))];
      const topicMessages = topics.map((topic) => ({
        topic,
        messages: batch.filter((record) => record.topic === topic),
      }));
      await this.#producer.sendBatch({ acks: -1, topicMessages });
    }
    this.#sending = false;
  }
}

const client = new Batcher();
const server = new Batcher();
await Promise.all([client.connect(), server.connect()]);
const waiting = new Map<string, () => void>();
const read = async (topic: string, take: (key: string, value: Buffer) => void): Promise<() => Promise<void>> => {
  const consumer = kafka.consumer({ groupId: `bare-${randomUUID()}`, maxWaitTimeInMs: 250 });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: ({ batch }) => {
      for (const { key, value } of batch.messages) take(String(key), value ?? Buffer.alloc(0));
      return Promise.resolve();
    },
  });
  await joined;
  return () => consumer.disconnect();
};
const stopServer = await read(there, (key, value) => server.send(back, key, value));
const stopClient = await read(back, (key) => {
  waiting.get(key)?.();
  waiting.delete(key);
});
const payload = Buffer.alloc(700, 'x');
const roundTrip = (): Promise<void> =>
  new Promise((resolve) => {
    const key = randomUUID();
    waiting.set(key, resolve);
    client.send(there, key, payload);
  });
await keepInFlight(Number(inFlight), 2, roundTrip);
const times = await keepInFlight(Number(inFlight), Number(seconds), roundTrip);
await Promise.all([stopServer(), stopClient(), client.disconnect(), server.disconnect()]);
await admin.deleteTopics({ topics: [there, back] });
await admin.disconnect();
process.stdout.write(`${JSON.stringify({ perSecond: times.length / Number(seconds), ...latency(times) })}\n`);
