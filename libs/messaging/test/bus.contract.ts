import { createHash } from 'node:crypto';
import { DEAD_LETTERS, message } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { Controller, type INestMicroservice, type Type } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { withSignature, type SignReply } from '../src/request-reply/signed-replies.js';
import { type Broker, type ConsumedRecord } from '../src/broker.js';
import { BusClient, type RequestEvent } from '../src/request-reply/bus-client.js';
import {
  Answered,
  Asked,
  asked,
  COMMANDS,
  Gate,
  moduleOf,
  never,
  until,
  type ContractWorld,
  UNSIGNED_REPLIES,
} from './contract-world.js';
import { createBusApp } from '../src/request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo, toRecord } from '../src/envelope/envelope.js';

type Handle = (asked: Asked, context: BusContext) => Outgoing | undefined | Promise<Outgoing | undefined>;

const echo: Handle = (request, context) => replyTo(context, message(Answered, { number: request.number }));

/** A controller whose one handler does what the test says. */
function controllerOf(handle: Handle, extras: Record<string, unknown> = {}): Type {
  @Controller()
  class TestController {
    @MessagePattern(Asked.type, extras)
    take(@Payload() request: Asked, @Ctx() context: BusContext): ReturnType<Handle> {
      return handle(request, context);
    }
  }
  return TestController;
}

/** What the server and the client MUST do over every broker; run by the spec of each. */
export function busContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;
  let apps: INestMicroservice[];
  let clients: BusClient[];

  const serve = async (handle: Handle, extras?: Record<string, unknown>, sign?: SignReply): Promise<void> => {
    const app = await createBusApp(moduleOf(controllerOf(handle, extras)), {
      broker: world.broker(),
      group: 'servers',
      messages: [Asked],
      onFatal: never,
      ...(sign && { sign }),
    });
    apps.push(app);
    await app.listen();
  };
  const client = async (proof = UNSIGNED_REPLIES, observe?: (event: RequestEvent) => void): Promise<BusClient> => {
    const opened = await BusClient.open({
      broker,
      owner: 'tester',
      proof,
      onFatal: never,
      ...(observe && { observe }),
    });
    clients.push(opened);
    return opened;
  };
  const deadLetters = async (): Promise<ConsumedRecord[]> => {
    const letters: ConsumedRecord[] = [];
    await broker.follow(DEAD_LETTERS.name, (read) => letters.push(read), never);
    return letters;
  };

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    apps = [];
    clients = [];
    await broker.ensureTopics([COMMANDS, DEAD_LETTERS]);
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await Promise.all(clients.map((opened) => opened.close()));
    await world.close();
  });

  it('brings each asker the answer to its own question', async () => {
    await serve(echo);
    const [one, two] = [await client(), await client()];
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const answers = await Promise.all(
      numbers.map((n) => (n % 2 === 0 ? one : two).request(asked(`subject-${n}`, n), Answered, 20_000)),
    );
    expect(answers.map(({ number }) => number)).toEqual(numbers);
    expect(answers[0]).toBeInstanceOf(Answered);
    expect([one.waiting, two.waiting]).toEqual([0, 0]);
  });

  it('believes a signed answer to its own question, and drops every other one that comes before it', async () => {
    const sign = (text: string): string => createHash('sha256').update(`key of the service ${text}`).digest('hex');
    const isRight = (text: string, signature: string): boolean => signature === sign(text);
    const [seen, dropped] = [[] as BusContext[], [] as RequestEvent[]];
    const gate = new Gate();
    await serve(
      async (request, context) => {
        seen[request.number - 1] = context;
        await gate.passed;
        return echo(request, context);
      },
      undefined,
      sign,
    );
    const asker = await client({ isRequired: () => true, isValid: isRight }, (event) => {
      if (event.kind === 'unproven_reply') dropped.push(event);
    });
    const [one, two] = [asker.request(asked('a', 1), Answered, 20_000), asker.request(asked('b', 2), Answered, 20_000)];
    await until(() => seen[0] !== undefined && seen[1] !== undefined, 'both questions');
    const [first, second] = seen as [BusContext, BusContext];
    const forged = toRecord(replyTo(first, message(Answered, { number: 7 })) as Outgoing);
    // Unsigned, signed by another key, unreadable, and the true answer to the other question.
    const ofOther = withSignature(
      asked('b', 2),
      toRecord(replyTo(second, message(Answered, { number: 2 })) as Outgoing),
      sign,
    );
    await broker.send([
      forged,
      withSignature(asked('a', 1), forged, () => 'no signature'),
      { ...forged, value: Buffer.from('no JSON') },
      { ...ofOther, headers: { ...ofOther.headers, 'correlation-id': first.headers['correlation-id'] ?? '' } },
    ]);
    await until(() => dropped.length === 4, 'the forged answers');
    expect(asker.waiting).toBe(2);
    gate.open();
    expect([(await one).number, (await two).number]).toEqual([1, 2]);
  });

  it('gives up in time when nobody answers, and drops and counts the answer that comes late', async () => {
    const gate = new Gate();
    // A busy broker may bring the question after its deadline, and what is expired is otherwise never answered.
    const extras = { handlesExpired: true };
    await serve(async (request, context) => {
      await gate.passed;
      return echo(request, context);
    }, extras);
    const asker = await client();
    const question = asker.request(asked('s', 1), Answered, 300);
    await expect(question).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true });
    expect(asker.waiting).toBe(0);
    gate.open();
    await until(() => asker.lateReplies === 1, 'the late reply');
  });

  it('does not begin work whose asker is gone, unless the handler wants it', async () => {
    const begun: number[] = [];
    await serve((request) => void begun.push(request.number));
    const expired = { deadline: String(Date.now() - 1) };
    await broker.send([toRecord({ message: asked('s', 1), headers: expired }), toRecord({ message: asked('s', 2) })]);
    await until(() => begun.includes(2), 'the record after it');
    expect(begun).toEqual([2]);
    await apps.pop()?.close();
    await serve((request) => void begun.push(request.number), { handlesExpired: true });
    await broker.send([toRecord({ message: asked('s', 3), headers: expired })]);
    await until(() => begun.includes(3), 'the expired record');
  });

  it('makes unreadable records dead letters without their content, and goes on', async () => {
    const canary = '8472910365';
    const handled: number[] = [];
    await serve((request) => void handled.push(request.number));
    const letters = await deadLetters();
    const good = toRecord({ message: asked('s', 7) });
    await broker.send([
      { ...good, value: Buffer.from(`{"subject":"${canary}`) },
      { ...good, value: Buffer.from(JSON.stringify({ subject: 's', number: canary })) },
      { ...good, headers: { ...good.headers, type: `Unknown ${canary}` } },
      good,
    ]);
    await until(() => handled.includes(7) && letters.length === 3, 'three dead letters and the good record');
    const shown = letters.map(({ key, value, headers }) => key + value.toString() + JSON.stringify(headers)).join();
    expect(shown).not.toContain(canary);
    const [first] = letters;
    expect(first?.headers).toMatchObject({
      'original-topic': COMMANDS.name,
      group: 'servers',
      code: 'MESSAGE_UNREADABLE',
    });
    expect(JSON.parse(first?.value.toString() ?? '')).toMatchObject({
      recordType: Asked.type,
      recordTopic: COMMANDS.name,
      group: 'servers',
    });
  });

  it('tries again in order what failed for a reason that passes', async () => {
    const handled: number[] = [];
    let failures = 2;
    await serve((request) => {
      if (request.number === 1 && failures-- > 0) throw new ServiceError('DATABASE_UNAVAILABLE', 'not yet', true);
      handled.push(request.number);
      return undefined;
    });
    await broker.send([1, 2, 3].map((number) => toRecord({ message: asked('s', number) })));
    await until(() => handled.length === 3, 'all handled');
    expect(handled).toEqual([1, 2, 3]);
  });

  it('makes a dead letter of what can never work, and of a bug after five more tries', async () => {
    let tries = 0;
    const handled: number[] = [];
    await serve((request) => {
      if (request.number === 1) throw new ServiceError('SEAL_BROKEN', 'never', false);
      if (request.number === 2) {
        tries++;
        throw new TypeError('a bug');
      }
      handled.push(request.number);
      return undefined;
    });
    const letters = await deadLetters();
    await broker.send([1, 2, 3].map((number) => toRecord({ message: asked('s', number) })));
    await until(() => letters.length === 2 && handled.includes(3), 'two dead letters and the next record');
    const shown = letters.map(({ value }) => JSON.parse(value.toString()) as Record<string, unknown>);
    expect(shown.map(({ code, errorClass }) => [code, errorClass])).toEqual([
      ['SEAL_BROKEN', 'ServiceError'],
      ['INTERNAL', 'TypeError'],
    ]);
    expect(tries).toBe(6);
  });
}
