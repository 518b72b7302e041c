import { randomUUID } from 'node:crypto';
import { DEAD_LETTERS, DeadLettered } from '@countersign/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ServiceError } from '@countersign/runtime';
import { type Broker } from '../src/broker.js';
import {
  TestRequest,
  testRequest,
  COMMANDS,
  moduleOf,
  throwFatal,
  record,
  STATE,
  textOf,
  until,
  type ContractWorld,
} from './contract-world.js';
import { createBusApp } from '../src/request-reply/create-bus-app.js';
import { DeadLetters } from '../src/dead-letters/dead-letters.js';
import { toRecord } from '../src/envelope/envelope.js';

@Controller()
class DeadLetterReader {
  @MessagePattern(DeadLettered.type)
  take(): void {}
}

/** What listing and replaying dead letters MUST do; run by the spec of each broker. */
export function deadLettersContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;
  let deadLetters: DeadLetters;
  let app: INestMicroservice;
  let isFixed: boolean;
  const handled: number[] = [];

  @Controller()
  class Repairable {
    @MessagePattern(TestRequest.type)
    take(@Payload() { number }: TestRequest): void {
      if (!isFixed) throw new ServiceError('SEAL_BROKEN', 'never', false);
      handled.push(number);
    }
  }

  const deadLettersOf = async (
    numbers: readonly number[],
    headers: Record<string, string> = {},
  ): Promise<DeadLettered[]> => {
    let written = 0;
    const follower = await broker.follow(DEAD_LETTERS.name, () => void written++, throwFatal);
    await follower.caughtUp;
    const before = written;
    await broker.send(numbers.map((number) => toRecord({ message: testRequest(`s-${number}`, number), headers })));
    await until(() => written === before + numbers.length, 'the letters');
    await follower.close();
    return deadLetters.list();
  };

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    deadLetters = new DeadLetters(broker);
    isFixed = false;
    handled.length = 0;
    await broker.ensureTopics([COMMANDS, STATE, DEAD_LETTERS]);
    app = await createBusApp(moduleOf(Repairable), {
      broker,
      group: 'servers',
      messages: [TestRequest],
      onFatal: throwFatal,
    });
    await app.listen();
  });

  afterEach(async () => {
    await app.close();
    await world.close();
  });

  it('reads a record at its offset, and undefined where there is none', async () => {
    await broker.send(['a', 'b', 'c'].map((value) => record(STATE, value, value)));
    const found = await broker.read(STATE.name, 0, '1');
    expect(found && textOf(found)).toBe('b');
    expect(found).toMatchObject({ topic: STATE.name, partition: 0, offset: '1', key: 'b', headers: { type: 'test' } });
    expect(await broker.read(STATE.name, 0, '3')).toBeUndefined();
    await expect(broker.read('test.missing', 0, '0')).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('replays a record with its key, value and headers, and it is handled once its cause is fixed', async () => {
    const traceparent = `00-${randomUUID().replaceAll('-', '')}-0000000000000001-01`;
    const [deadLetter] = await deadLettersOf([4], { traceparent });
    if (deadLetter === undefined) throw new Error('no dead letter was written');
    const original = await deadLetters.record(deadLetter);
    if (original === undefined) throw new Error('the record is missing');
    expect(deadLetters.replayability(deadLetter, original)).toBe('replayable');
    isFixed = true;
    await deadLetters.replay(deadLetter, original);
    await until(() => handled.includes(4), 'the record handled');
    const again = await broker.read(
      deadLetter.recordTopic,
      deadLetter.partition,
      String(Number(deadLetter.offset) + 1),
    );
    expect(again).toMatchObject({
      key: original.key,
      headers: { ...original.headers, 'replay-of': deadLetter.letterId },
    });
    expect(again && textOf(again)).toBe(textOf(original));
  });

  it('skips an unreadable dead letter, without a dead letter about it', async () => {
    const outcomes: (string | undefined)[] = [];
    const reader = await createBusApp(moduleOf(DeadLetterReader), {
      ...{ broker, group: 'dead-letter-readers', messages: [DeadLettered], onFatal: throwFatal },
      observe: ({ outcome, code }) => void outcomes.push(code ?? outcome),
    });
    await reader.listen();
    await broker.send([{ ...record(DEAD_LETTERS, 'k', 'not a dead letter'), headers: { type: DeadLettered.type } }]);
    await deadLettersOf([1]);
    await until(() => outcomes.length === 2, 'both records of the topic');
    expect(outcomes.sort()).toEqual(['MESSAGE_UNREADABLE', 'handled']);
    expect(await deadLetters.list()).toHaveLength(1);
    await reader.close();
  });

  it('filters by group, code and time, and recognizes missing, changed and expired records', async () => {
    const [deadLetter] = await deadLettersOf([1]);
    if (deadLetter === undefined) throw new Error('no dead letter was written');
    expect(await deadLetters.list({ group: 'servers', code: 'SEAL_BROKEN' })).toHaveLength(1);
    expect(await deadLetters.list({ group: 'others' })).toEqual([]);
    expect(await deadLetters.list({ code: 'INTERNAL' })).toEqual([]);
    expect(await deadLetters.list({ since: Date.parse(deadLetter.time) + 1 })).toEqual([]);
    const original = await deadLetters.record(deadLetter);
    if (original === undefined) throw new Error('the record is missing');
    expect(deadLetters.replayability(deadLetter, undefined)).toBe('gone');
    expect(deadLetters.replayability(deadLetter, { ...original, value: Buffer.from('other') })).toBe('changed');
    const late = { ...original, headers: { ...original.headers, deadline: '1' } };
    expect(deadLetters.replayability(deadLetter, late)).toBe('expired');
  });
}
