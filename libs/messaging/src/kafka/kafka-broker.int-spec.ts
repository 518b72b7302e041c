import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { type Broker, type ConsumedRecord } from '../broker.js';
import { brokerContract } from '../../test/broker.contract.js';
import { busContract } from '../../test/bus.contract.js';
import { COMMANDS, throwFatal, record, STATE, until, type ContractWorld } from '../../test/contract-world.js';
import { deadLettersContract } from '../../test/dead-letters.contract.js';
import { fairnessContract } from '../../test/fairness.contract.js';
import { consumerStatsContract } from '../../test/consumer-stats.contract.js';
import { requestReplyContract } from '../../test/request-reply.contract.js';
import { KafkaBroker } from './kafka-broker.js';

jest.setTimeout(90_000);

const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',').filter((broker) => broker !== '');
if (brokers.length === 0) throw new Error('set TEST_KAFKA_BROKERS (npm test does): this suite needs a real Kafka');

interface KafkaWorld extends ContractWorld {
  readonly prefix: string;
}

const open = (): Promise<KafkaWorld> => {
  const prefix = `t${randomBytes(6).toString('hex')}.`;
  const opened: Broker[] = [];
  const broker = (): Broker => {
    const made = new KafkaBroker({ brokers, clientId: 'contract', topicPrefix: prefix });
    opened.push(made);
    return made;
  };
  return Promise.resolve({
    prefix,
    broker,
    close: async () => {
      await Promise.all(opened.map((made) => made.close()));
    },
  });
};

const admin = (): ReturnType<Kafka['admin']> => new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();

/** The two requests wait for their limits, 40 s together: the other tests run meanwhile. */
async function useWithoutBroker(): Promise<Record<string, unknown>> {
  const lonely = new KafkaBroker({ brokers: ['127.0.0.1:1'], clientId: 'contract' });
  const fault = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'no error',
      (error: unknown) => error,
    );
  const sent = await fault(lonely.send([record(COMMANDS, 'k', 'v')]));
  const healthy = lonely.healthy();
  const consumed = await fault(
    lonely.consume({ group: 'g', topics: [COMMANDS.name], onFatal: throwFatal }, () => Promise.resolve()),
  );
  await lonely.close();
  return { sent, healthy, consumed };
}

const UNAVAILABLE = expect.objectContaining({ code: 'BROKER_UNAVAILABLE', retriable: true }) as unknown;

describe('KafkaBroker', () => {
  let withoutBroker: Promise<Record<string, unknown>>;
  beforeAll(() => {
    withoutBroker = useWithoutBroker();
  });

  describe('broker contract', () => brokerContract(open));
  describe('request and reply', () => requestReplyContract(open));
  describe('dead letters', () => deadLettersContract(open));
  describe('consumer stats', () => consumerStatsContract(open));
  describe('fairness', () => fairnessContract(open));
  describe('server and client', () => busContract(open));

  describe('on a real cluster', () => {
    let world: KafkaWorld;
    let broker: Broker;
    beforeEach(async () => {
      world = await open();
      broker = world.broker();
      await broker.ensureTopics([COMMANDS, STATE]);
    });
    afterEach(() => world.close());

    it('deletes the old reply topics of dead processes, and no others', async () => {
      const tool = admin();
      await tool.connect();
      const name = (ageMs: number): string => `${world.prefix}replies.dead.${(Date.now() - ageMs).toString(36)}-00ff`;
      const [old, young] = [name(700_000), name(60_000)];
      await tool.createTopics({ topics: [{ topic: old }, { topic: young }] });
      await broker.openReplyAddress('tester', () => undefined, throwFatal);
      const names = await tool.listTopics();
      await tool.disconnect();
      expect(names).toContain(young);
      expect(names).not.toContain(old);
    });

    it('writes an event although the clock of the process is a day ahead, once it consumes', async () => {
      const events = { name: 'events.ahead', kind: 'log' } as const;
      const broker = world.broker();
      await broker.ensureTopics([events, COMMANDS]);
      const now = Date.now;
      jest.spyOn(Date, 'now').mockImplementation(() => now() + 86_400_000);
      try {
        // Refused until the time of the brokers is known.
        const written = broker.send([{ topic: events.name, key: 'k', value: Buffer.from('v'), headers: {} }]);
        await broker.consume({ group: 'ahead', topics: [COMMANDS.name], onFatal: throwFatal }, () => Promise.resolve());
        await written;
      } finally {
        jest.restoreAllMocks();
      }
      const [stored] = await broker.readNewest(events.name, 1);
      expect(Math.abs((stored?.timestamp ?? 0) - now())).toBeLessThan(60_000);
    });

    it('chooses the same partition for a key as other clients', async () => {
      const seen: ConsumedRecord[] = [];
      await broker.consume({ group: 'g', topics: [COMMANDS.name], onFatal: throwFatal }, (read) =>
        Promise.resolve(void seen.push(read)),
      );
      const keys = Array.from({ length: 30 }, (_, n) => `tenant:id:${'x'.repeat(n)}é${n}`);
      const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer({
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      await producer.connect();
      await producer.send({ topic: world.prefix + COMMANDS.name, messages: keys.map((key) => ({ key, value: 'v' })) });
      await producer.disconnect();
      await broker.send(keys.map((key) => record(COMMANDS, key, 'v')));
      await until(() => seen.length === 60, 'all records');
      for (const key of keys) {
        const partitions = seen.filter((read) => read.key === key).map(({ partition }) => partition);
        expect(new Set(partitions).size).toBe(1);
      }
    });
  });

  it('rejects a send within about ten seconds and is not healthy when no broker can be reached', async () => {
    expect(await withoutBroker).toEqual({ sent: UNAVAILABLE, healthy: false, consumed: UNAVAILABLE });
  });
});
