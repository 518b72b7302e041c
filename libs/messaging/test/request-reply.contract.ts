import { message } from '@countersign/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { type Broker } from '../src/broker.js';
import { BusClient } from '../src/request-reply/bus-client.js';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  moduleOf,
  throwFatal,
  until,
  type ContractWorld,
  UNSIGNED_REPLIES,
} from './contract-world.js';
import { createBusApp } from '../src/request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo } from '../src/envelope/envelope.js';

const TIMEOUT_MS = 30_000;

@Controller()
class Echo {
  @MessagePattern(TestRequest.type)
  answer(@Payload() request: TestRequest, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(TestReply, { number: request.number }));
  }
}

/** What clients MUST NOT do to each other; run by the spec of each broker. */
export function requestReplyContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;
  let app: INestMicroservice;
  let clients: BusClient[];

  const client = async (): Promise<BusClient> => {
    const opened = await BusClient.open({
      broker: world.broker(),
      owner: 'tester',
      proof: UNSIGNED_REPLIES,
      onFatal: throwFatal,
    });
    clients.push(opened);
    return opened;
  };
  const request = async (busClient: BusClient, number: number): Promise<number> =>
    (await busClient.request(testRequest(`subject-${number % 50}`, number), TestReply, TIMEOUT_MS)).number;

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    clients = [];
    await broker.ensureTopics([COMMANDS]);
    app = await createBusApp(moduleOf(Echo), {
      broker,
      group: 'servers',
      messages: [TestRequest],
      onFatal: throwFatal,
    });
    await app.listen();
  });

  afterEach(async () => {
    await Promise.all(clients.map((opened) => opened.close()));
    await app.close();
    await world.close();
  });

  it('loses no reply of a client while other clients come and go under load', async () => {
    const steady = await Promise.all([client(), client()]);
    const answers: number[] = [];
    let [next, stopped] = [0, false];
    const asking = steady.flatMap((busClient) =>
      Array.from({ length: 5 }, async () => {
        while (!stopped) {
          const number = next++;
          expect(await request(busClient, number)).toBe(number);
          answers.push(number);
        }
      }),
    );
    for (let round = 0; round < 3; round++) {
      const guest = await client();
      await request(guest, -1);
      const seen = answers.length;
      await until(() => answers.length > seen + 20, 'further replies to the other clients');
      await guest.close();
    }
    stopped = true;
    await Promise.all(asking);
    expect(answers).toHaveLength(next);
    expect(steady.map(({ lateReplies }) => lateReplies)).toEqual([0, 0]);
  });

  it('gives no client the reply to another, however many clients send', async () => {
    const busClients = await Promise.all(Array.from({ length: 6 }, () => client()));
    await Promise.all(
      busClients.flatMap((busClient, n) => Array.from({ length: 10 }, (_, i) => request(busClient, n * 10 + i))),
    );
    // A reply that matches no own request is counted as late.
    expect(busClients.map(({ lateReplies }) => lateReplies)).toEqual([0, 0, 0, 0, 0, 0]);
  });
}
