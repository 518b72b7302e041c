import { createHash } from 'node:crypto';
import { DEAD_LETTERS, DeadLettered, message, type TopicSpec } from '@countersign/contracts';
import { type Broker, createBroker, toRecord } from '@countersign/messaging';
import { acceptLoss } from '../groups/accept-loss.js';
import { listDeadLetters, replayDeadLetters, showDeadLetter } from './dead-letters.js';

/** One partition, so the offsets are known. */
const TOPIC: TopicSpec = { name: 'cli.work', kind: 'state' };
const CANARY = '8472910365';
const ID = '01926f6e-0b0a-8c3e-9b52-8e0d3a2f6f10';
const OTHER_ID = '01926f6e-0b0a-8c3e-9b52-8e0d3a2f6f11';

let broker: Broker;
let output: string;
const write = (text: string): void => void (output += `${text}\n`);

const letter = (letterId: string, offset: string, value: string): DeadLettered =>
  message(DeadLettered, {
    ...{
      letterId,
      time: '2026-11-22T10:00:00.000Z',
      group: 'verification',
      recordTopic: TOPIC.name,
      partition: 0,
      offset,
    },
    ...{ recordType: 'work.requested.v1', code: 'POISON', errorClass: 'ServiceError' },
    sha256: createHash('sha256').update(value).digest('hex'),
  });

beforeEach(async () => {
  output = '';
  broker = createBroker({ clientId: 'test' });
  await broker.ensureTopics([TOPIC, DEAD_LETTERS]);
  const headers = { type: 'work.requested.v1', 'x-odd': CANARY };
  const value = Buffer.from(CANARY);
  await broker.send([
    { topic: TOPIC.name, key: 'a', value, headers },
    { topic: TOPIC.name, key: 'b', value, headers: { ...headers, deadline: '1' } },
  ]);
  await broker.send([letter(ID, '0', CANARY), letter(OTHER_ID, '1', CANARY)].map((one) => toRecord({ message: one })));
});

afterEach(() => broker.close());

const replayed = async (): Promise<number> => {
  let count = 0;
  const follower = await broker.follow(
    TOPIC.name,
    ({ headers }) => void (headers['replay-of'] === undefined || count++),
    () => undefined,
  );
  await follower.caughtUp;
  await follower.close();
  return count;
};

describe('dead-letters list', () => {
  it('shows every dead letter with its group, offset, type and code', async () => {
    await listDeadLetters(broker, {}, write);
    expect(output).toContain(`${ID}  2026-11-22T10:00:00.000Z  verification  cli.work/0@0  work.requested.v1  POISON`);
  });

  it('prints JSON, and only dead letters from a given time on', async () => {
    await listDeadLetters(broker, { json: true, since: '2026-11-22T09:00:00Z' }, write);
    expect(JSON.parse(output)).toMatchObject([{ letterId: ID }, { letterId: OTHER_ID }]);
    output = '';
    await listDeadLetters(broker, { since: '2026-11-23T00:00:00Z' }, write);
    expect(output).toBe('no dead letters\n');
    await expect(listDeadLetters(broker, { since: 'yesterday' }, write)).rejects.toThrow('--since');
  });
});

describe('dead-letters show', () => {
  it('shows neither the value of a record nor the values of unknown headers', async () => {
    await showDeadLetter(broker, ID, write);
    expect(output).toMatch(/record +exists\nreplay +possible\n/);
    expect(output).toContain('x-odd');
    expect(output).toContain('type: work.requested.v1');
    expect(output).not.toContain(CANARY);
  });

  it('shows that a record exists although its deadline has passed', async () => {
    await showDeadLetter(broker, OTHER_ID, write);
    expect(output).toMatch(/record +exists\nreplay +not possible: its deadline has passed/);
  });

  it('refers to the list if there is no dead letter of this id', async () => {
    await expect(showDeadLetter(broker, 'none', write)).rejects.toThrow('dead-letters list');
  });
});

describe('dead-letters replay', () => {
  it('sends one record again', async () => {
    await replayDeadLetters(broker, ID, {}, write);
    expect(await replayed()).toBe(1);
    expect(output).toContain('1 of 1 replayed');
  });

  it('refuses a record with a deadline that has passed, and names the reason', async () => {
    await expect(replayDeadLetters(broker, OTHER_ID, {}, write)).rejects.toThrow('its deadline has passed');
    expect(await replayed()).toBe(0);
  });

  it('lists the records that --all skips, and sends nothing in a dry run', async () => {
    await replayDeadLetters(broker, undefined, { all: true, dryRun: true }, write);
    expect(await replayed()).toBe(0);
    await replayDeadLetters(broker, undefined, { all: true, code: 'POISON' }, write);
    expect(await replayed()).toBe(1);
    expect(output).toContain(`skipped ${OTHER_ID}`);
    expect(output).toContain('1 of 2 replayed');
  });

  it('requires either an id or --all', async () => {
    await expect(replayDeadLetters(broker, undefined, {}, write)).rejects.toThrow('--all');
    await expect(replayDeadLetters(broker, ID, { all: true }, write)).rejects.toThrow('--all');
  });
});

test('groups accept-loss reports that nothing was lost', async () => {
  await acceptLoss(broker, 'verification', {}, write);
  expect(output).toBe('group verification has lost nothing\n');
});
