import { randomBytes } from 'node:crypto';
import { message } from '@countersign/contracts';
import { type KafkaCluster, startKafka } from '@countersign/testing';
import { jest } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { BusClient } from '../request-reply/bus-client.js';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  moduleOf,
  record,
  textOf,
  until,
  UNSIGNED_REPLIES,
} from '../../test/contract-world.js';
import { createBusApp } from '../request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo } from '../envelope/envelope.js';
import { KafkaBroker } from './kafka-broker.js';

jest.setTimeout(180_000);

const FACTS = { name: 'test.facts', kind: 'fact' } as const;

@Controller()
class Echo {
  @MessagePattern(TestRequest.type)
  take(@Payload() request: TestRequest, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(TestReply, { number: request.number }));
  }
}

describe('KafkaBroker on three brokers when one is killed', () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3 });
  });
  afterAll(() => cluster.close());

  it('replies again within 20 seconds, loses no acknowledged fact and reports no fatal error', async () => {
    const fatal: Error[] = [];
    const onFatal = (error: Error): void => void fatal.push(error);
    const topicPrefix = `t${randomBytes(6).toString('hex')}.`;
    const broker = (): KafkaBroker =>
      new KafkaBroker({ brokers: cluster.brokers, clientId: 'failover', topicPrefix, replication: 3 });
    const [serverBroker, clientBroker] = [broker(), broker()];
    await serverBroker.ensureTopics([COMMANDS, FACTS]);
    const app = await createBusApp(moduleOf(Echo), {
      broker: serverBroker,
      group: 'echo',
      messages: [TestRequest],
      onFatal,
    });
    await app.listen();
    const client = await BusClient.open({ broker: clientBroker, owner: 'failover', proof: UNSIGNED_REPLIES, onFatal });
    const seen = new Set<string>();
    const reader = await serverBroker.consume({ group: 'facts', topics: [FACTS.name], onFatal }, (read) =>
      Promise.resolve(void seen.add(textOf(read))),
    );
    await reader.ready;

    let answered = 0;
    let acknowledged = 0;
    let over = false;
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const requestContinuously = async (): Promise<void> => {
      for (let n = 0; !over; n++) {
        await client.request(testRequest(`subject-${n % 50}`, n), TestReply, 20_000).then(() => answered++);
        await turn();
      }
    };
    const sendFactsContinuously = async (): Promise<void> => {
      for (; !over; acknowledged++)
        await clientBroker.send([record(FACTS, `key-${acknowledged}`, String(acknowledged))]);
    };
    const work = Promise.all([requestContinuously(), requestContinuously(), sendFactsContinuously()]);
    await until(() => answered > 50 && acknowledged > 50, 'a steady flow');

    const killedAt = Date.now();
    // Each broker leads some partitions and coordinates some of the three groups.
    process.kill(cluster.processes[0]?.pid ?? 0, 'SIGKILL');
    const before = answered;
    await until(() => answered > before + 100, 'the flow again');
    expect(Date.now() - killedAt).toBeLessThan(20_000);
    await until(() => answered > before + 500, 'the flow at a steady pace');
    over = true;
    await work;
    await until(() => seen.size === acknowledged, 'every acknowledged fact');
    await app.close();
    await client.close();
    await Promise.all([serverBroker.close(), clientBroker.close()]);
    expect(fatal).toEqual([]);
  });
});
