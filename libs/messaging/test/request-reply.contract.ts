import { message } from '@countersign/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { type Broker } from '../src/broker.js';
import { BusClient } from '../src/request-reply/bus-client.js';
import {
  Answered,
  Asked,
  asked,
  COMMANDS,
  moduleOf,
  never,
  until,
  type ContractWorld,
  UNSIGNED_REPLIES,
} from './contract-world.js';
import { createBusApp } from '../src/request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo } from '../src/envelope/envelope.js';

const TIMEOUT_MS = 30_000;

@Controller()
class Echo {
  @MessagePattern(Asked.type)
  answer(@Payload() request: Asked, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(Answered, { number: request.number }));
  }
}

/** What askers that come and go MUST NOT do to each other; run by the spec of each broker. */
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
      onFatal: never,
    });
    clients.push(opened);
    return opened;
  };
  const ask = async (asker: BusClient, number: number): Promise<number> =>
    (await asker.request(asked(`subject-${number % 50}`, number), Answered, TIMEOUT_MS)).number;

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    clients = [];
    await broker.ensureTopics([COMMANDS]);
    app = await createBusApp(moduleOf(Echo), { broker, group: 'servers', messages: [Asked], onFatal: never });
    await app.listen();
  });

  afterEach(async () => {
    await Promise.all(clients.map((opened) => opened.close()));
    await app.close();
    await world.close();
  });

  it('loses no reply of the others while askers come and go under load', async () => {
    const steady = await Promise.all([client(), client()]);
    const answers: number[] = [];
    let [next, stopped] = [0, false];
    const asking = steady.flatMap((asker) =>
      Array.from({ length: 5 }, async () => {
        while (!stopped) {
          const number = next++;
          expect(await ask(asker, number)).toBe(number);
          answers.push(number);
        }
      }),
    );
    for (let round = 0; round < 3; round++) {
      const guest = await client();
      await ask(guest, -1);
      const seen = answers.length;
      await until(() => answers.length > seen + 20, 'the steady ones go on');
      await guest.close();
    }
    stopped = true;
    await Promise.all(asking);
    expect(answers).toHaveLength(next);
    expect(steady.map(({ lateReplies }) => lateReplies)).toEqual([0, 0]);
  });

  it('brings nobody the replies of another, however many ask', async () => {
    const askers = await Promise.all(Array.from({ length: 6 }, () => client()));
    await Promise.all(askers.flatMap((asker, n) => Array.from({ length: 10 }, (_, i) => ask(asker, n * 10 + i))));
    // What is of no question of one's own is counted as late.
    expect(askers.map(({ lateReplies }) => lateReplies)).toEqual([0, 0, 0, 0, 0, 0]);
  });
}
