import { createHash } from 'node:crypto';
import { DEAD_LETTERS, message } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { Controller, type INestMicroservice, type Type } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { withSignature } from '../src/request-reply/signed-replies.js';
import { type Broker, type ConsumedRecord } from '../src/broker.js';
import { BusClient, type RequestEvent } from '../src/request-reply/bus-client.js';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  Gate,
  moduleOf,
  throwFatal,
  until,
  type ContractWorld,
  UNSIGNED_REPLIES,
} from './contract-world.js';
import { createBusApp } from '../src/request-reply/create-bus-app.js';
import {
  type BusContext,
  type Outgoing,
  type OutgoingMessage,
  replyTo,
  type SignReply,
  toRecord,
} from '../src/envelope/envelope.js';

type Handle = (request: TestRequest, context: BusContext) => Outgoing | undefined | Promise<Outgoing | undefined>;

const echo: Handle = (request, context) => replyTo(context, message(TestReply, { number: request.number }));

/** A controller with one handler, which the test provides. */
function controllerOf(handle: Handle, extras: Record<string, unknown> = {}): Type {
  @Controller()
  class TestController {
    @MessagePattern(TestRequest.type, extras)
    take(@Payload() request: TestRequest, @Ctx() context: BusContext): ReturnType<Handle> {
      return handle(request, context);
    }
  }
  return TestController;
}

/** What server and client MUST do over every broker; run by the spec of each. */
export function busContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;
  let apps: INestMicroservice[];
  let clients: BusClient[];

  const serve = async (handle: Handle, extras?: Record<string, unknown>, sign?: SignReply): Promise<void> => {
    const app = await createBusApp(moduleOf(controllerOf(handle, extras)), {
      broker: world.broker(),
      group: 'servers',
      messages: [TestRequest],
      onFatal: throwFatal,
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
      onFatal: throwFatal,
      ...(observe && { observe }),
    });
    clients.push(opened);
    return opened;
  };
  const deadLetters = async (): Promise<ConsumedRecord[]> => {
    const deadLetterRecords: ConsumedRecord[] = [];
    await broker.follow(DEAD_LETTERS.name, (read) => deadLetterRecords.push(read), throwFatal);
    return deadLetterRecords;
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

  it('gives each client the replies to its own requests', async () => {
    await serve(echo);
    const [one, two] = [await client(), await client()];
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const answers = await Promise.all(
      numbers.map((n) => (n % 2 === 0 ? one : two).request(testRequest(`subject-${n}`, n), TestReply, 20_000)),
    );
    expect(answers.map(({ number }) => number)).toEqual(numbers);
    expect(answers[0]).toBeInstanceOf(TestReply);
    expect([one.waiting, two.waiting]).toEqual([0, 0]);
  });

  it('accepts only the signed reply to its own request, and drops forged ones that arrive before it', async () => {
    const sign = (text: string): string => createHash('sha256').update(`key of the service ${text}`).digest('hex');
    const isRight = (text: string, signature: string): boolean => signature === sign(text);
    const [seen, dropped] = [[] as BusContext[], [] as RequestEvent[]];
    const gate = new Gate();
    await serve(
      async (request, context) => {
        seen[request.number - 1] = context;
        await gate.opened;
        return echo(request, context);
      },
      undefined,
      sign,
    );
    const busClient = await client({ isRequired: () => true, isValid: isRight }, (event) => {
      if (event.kind === 'unproven_reply') dropped.push(event);
    });
    const [one, two] = [
      busClient.request(testRequest('a', 1), TestReply, 20_000),
      busClient.request(testRequest('b', 2), TestReply, 20_000),
    ];
    await until(() => seen[0] !== undefined && seen[1] !== undefined, 'both requests');
    const [first, second] = seen as [BusContext, BusContext];
    const forged = toRecord(replyTo(first, message(TestReply, { number: 7 })) as Outgoing);
    // Unsigned, signed by another key, unreadable, and the true reply to the other request.
    const ofOther = withSignature(
      testRequest('b', 2),
      toRecord(replyTo(second, message(TestReply, { number: 2 })) as Outgoing),
      sign,
    );
    await broker.send([
      forged,
      withSignature(testRequest('a', 1), forged, () => 'no signature'),
      { ...forged, value: Buffer.from('no JSON') },
      { ...ofOther, headers: { ...ofOther.headers, 'correlation-id': first.headers['correlation-id'] ?? '' } },
    ]);
    await until(() => dropped.length === 4, 'the forged replies');
    expect(busClient.waiting).toBe(2);
    gate.open();
    expect([(await one).number, (await two).number]).toEqual([1, 2]);
  });

  it('accepts a reply with the proof of its own request in place of a signature, and no other proof', async () => {
    const proofOf = (key: string) => (text: string) => createHash('sha256').update(`${key} ${text}`).digest('hex');
    await serve(
      (request, context) => ({
        ...(echo(request, context) as OutgoingMessage),
        sign: proofOf(`key ${request.number}`),
      }),
      undefined,
      () => 'a signature, which a reply with a proof of its own does not get',
    );
    let dropped = 0;
    const busClient = await client({ isRequired: () => true, isValid: () => false }, ({ kind }) => {
      if (kind === 'unproven_reply') dropped++;
    });
    const ask = (number: number, key: string): Promise<TestReply> =>
      busClient.request(testRequest('a', number), TestReply, 20_000, (text, proof) => proofOf(key)(text) === proof);
    expect((await ask(1, 'key 1')).number).toBe(1);
    // It waits until the client is closed.
    ask(2, 'key 1').catch(() => undefined);
    await until(() => dropped === 1, 'the reply with the proof of another request');
    expect(busClient.waiting).toBe(1);
  });

  it('rejects a request at its timeout, and drops and counts the late reply', async () => {
    const gate = new Gate();
    // A busy broker may deliver the request after its deadline, and an expired request gets no reply otherwise.
    const extras = { handlesExpired: true };
    await serve(async (request, context) => {
      await gate.opened;
      return echo(request, context);
    }, extras);
    const busClient = await client();
    const request = busClient.request(testRequest('s', 1), TestReply, 300);
    await expect(request).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true });
    expect(busClient.waiting).toBe(0);
    gate.open();
    await until(() => busClient.lateReplies === 1, 'the late reply');
  });

  it('does not handle expired requests, unless the handler sets handlesExpired', async () => {
    const begun: number[] = [];
    await serve((request) => void begun.push(request.number));
    const expired = { deadline: String(Date.now() - 1) };
    await broker.send([
      toRecord({ message: testRequest('s', 1), headers: expired }),
      toRecord({ message: testRequest('s', 2) }),
    ]);
    await until(() => begun.includes(2), 'the record after it');
    expect(begun).toEqual([2]);
    await apps.pop()?.close();
    await serve((request) => void begun.push(request.number), { handlesExpired: true });
    await broker.send([toRecord({ message: testRequest('s', 3), headers: expired })]);
    await until(() => begun.includes(3), 'the expired record');
  });

  it('writes dead letters without content for unreadable records, and continues', async () => {
    const canary = '8472910365';
    const handled: number[] = [];
    await serve((request) => void handled.push(request.number));
    const deadLetterRecords = await deadLetters();
    const good = toRecord({ message: testRequest('s', 7) });
    await broker.send([
      { ...good, value: Buffer.from(`{"subject":"${canary}`) },
      { ...good, value: Buffer.from(JSON.stringify({ subject: 's', number: canary })) },
      { ...good, headers: { ...good.headers, type: `Unknown ${canary}` } },
      good,
    ]);
    await until(() => handled.includes(7) && deadLetterRecords.length === 3, 'three dead letters and the good record');
    const shown = deadLetterRecords
      .map(({ key, value, headers }) => key + value.toString() + JSON.stringify(headers))
      .join();
    expect(shown).not.toContain(canary);
    const [first] = deadLetterRecords;
    expect(first?.headers).toMatchObject({
      'original-topic': COMMANDS.name,
      group: 'servers',
      code: 'MESSAGE_UNREADABLE',
    });
    expect(JSON.parse(first?.value.toString() ?? '')).toMatchObject({
      recordType: TestRequest.type,
      recordTopic: COMMANDS.name,
      group: 'servers',
    });
  });

  it('retries a record with a retriable error, in order', async () => {
    const handled: number[] = [];
    let failures = 2;
    await serve((request) => {
      if (request.number === 1 && failures-- > 0) throw new ServiceError('DATABASE_UNAVAILABLE', 'not yet', true);
      handled.push(request.number);
      return undefined;
    });
    await broker.send([1, 2, 3].map((number) => toRecord({ message: testRequest('s', number) })));
    await until(() => handled.length === 3, 'all handled');
    expect(handled).toEqual([1, 2, 3]);
  });

  it('writes a dead letter for an error that is not retriable at once, and for a bug after five retries', async () => {
    let attempts = 0;
    const handled: number[] = [];
    await serve((request) => {
      if (request.number === 1) throw new ServiceError('SEAL_BROKEN', 'never', false);
      if (request.number === 2) {
        attempts++;
        throw new TypeError('a bug');
      }
      handled.push(request.number);
      return undefined;
    });
    const deadLetterRecords = await deadLetters();
    await broker.send([1, 2, 3].map((number) => toRecord({ message: testRequest('s', number) })));
    await until(() => deadLetterRecords.length === 2 && handled.includes(3), 'two dead letters and the next record');
    const shown = deadLetterRecords.map(({ value }) => JSON.parse(value.toString()) as Record<string, unknown>);
    expect(shown.map(({ code, errorClass }) => [code, errorClass])).toEqual([
      ['SEAL_BROKEN', 'ServiceError'],
      ['INTERNAL', 'TypeError'],
    ]);
    expect(attempts).toBe(6);
  });
}
