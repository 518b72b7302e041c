import { randomUUID } from 'node:crypto';
import { DEAD_LETTERS, DeadLettered } from '@countersign/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ServiceError } from '@countersign/runtime';
import { type Broker } from '../src/broker.js';
import {
  Asked,
  asked,
  COMMANDS,
  moduleOf,
  never,
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
class LetterReader {
  @MessagePattern(DeadLettered.type)
  take(): void {}
}

/** What reading records at their places, and sending them again, MUST do; run by the spec of each broker. */
export function deadLetterBoxContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;
  let box: DeadLetters;
  let app: INestMicroservice;
  let mended: boolean;
  const handled: number[] = [];

  @Controller()
  class Repairable {
    @MessagePattern(Asked.type)
    take(@Payload() { number }: Asked): void {
      if (!mended) throw new ServiceError('SEAL_BROKEN', 'never', false);
      handled.push(number);
    }
  }

  const lettersOf = async (
    numbers: readonly number[],
    headers: Record<string, string> = {},
  ): Promise<DeadLettered[]> => {
    let written = 0;
    const follower = await broker.follow(DEAD_LETTERS.name, () => void written++, never);
    await follower.caughtUp;
    const before = written;
    await broker.send(numbers.map((number) => toRecord({ message: asked(`s-${number}`, number), headers })));
    await until(() => written === before + numbers.length, 'the letters');
    await follower.close();
    return box.list();
  };

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    box = new DeadLetters(broker);
    mended = false;
    handled.length = 0;
    await broker.ensureTopics([COMMANDS, STATE, DEAD_LETTERS]);
    app = await createBusApp(moduleOf(Repairable), { broker, group: 'servers', messages: [Asked], onFatal: never });
    await app.listen();
  });

  afterEach(async () => {
    await app.close();
    await world.close();
  });

  it('shows a record at its place, and nothing where there is none', async () => {
    await broker.send(['a', 'b', 'c'].map((value) => record(STATE, value, value)));
    const found = await broker.read(STATE.name, 0, '1');
    expect(found && textOf(found)).toBe('b');
    expect(found).toMatchObject({ topic: STATE.name, partition: 0, offset: '1', key: 'b', headers: { type: 'test' } });
    expect(await broker.read(STATE.name, 0, '3')).toBeUndefined();
    await expect(broker.read('test.missing', 0, '0')).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('sends a record again with its key, value and headers, and it is handled when its cause is mended', async () => {
    const traceparent = `00-${randomUUID().replaceAll('-', '')}-0000000000000001-01`;
    const [letter] = await lettersOf([4], { traceparent });
    if (letter === undefined) throw new Error('no letter came');
    const original = await box.record(letter);
    if (original === undefined) throw new Error('the record is gone');
    expect(box.replayability(letter, original)).toBe('replayable');
    mended = true;
    await box.replay(letter, original);
    await until(() => handled.includes(4), 'the record handled');
    const again = await broker.read(letter.recordTopic, letter.partition, String(Number(letter.offset) + 1));
    expect(again).toMatchObject({ key: original.key, headers: { ...original.headers, 'replay-of': letter.letterId } });
    expect(again && textOf(again)).toBe(textOf(original));
  });

  it('is not filled by letters about letters: one that cannot be handled is passed over', async () => {
    const outcomes: (string | undefined)[] = [];
    const reader = await createBusApp(moduleOf(LetterReader), {
      ...{ broker, group: 'letter-readers', messages: [DeadLettered], onFatal: never },
      observe: ({ outcome, code }) => void outcomes.push(code ?? outcome),
    });
    await reader.listen();
    await broker.send([{ ...record(DEAD_LETTERS, 'k', 'no letter'), headers: { type: DeadLettered.type } }]);
    await lettersOf([1]);
    await until(() => outcomes.length === 2, 'both records of the topic');
    expect(outcomes.sort()).toEqual(['MESSAGE_UNREADABLE', 'handled']);
    expect(await box.list()).toHaveLength(1);
    await reader.close();
  });

  it('tells letters by group, code and time, and records that are gone, changed or expired', async () => {
    const [letter] = await lettersOf([1]);
    if (letter === undefined) throw new Error('no letter came');
    expect(await box.list({ group: 'servers', code: 'SEAL_BROKEN' })).toHaveLength(1);
    expect(await box.list({ group: 'others' })).toEqual([]);
    expect(await box.list({ code: 'INTERNAL' })).toEqual([]);
    expect(await box.list({ since: Date.parse(letter.time) + 1 })).toEqual([]);
    const original = await box.record(letter);
    if (original === undefined) throw new Error('the record is gone');
    expect(box.replayability(letter, undefined)).toBe('gone');
    expect(box.replayability(letter, { ...original, value: Buffer.from('other') })).toBe('changed');
    const late = { ...original, headers: { ...original.headers, deadline: '1' } };
    expect(box.replayability(letter, late)).toBe('expired');
  });
}
