import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { DEAD_LETTERS, message } from '@countersign/contracts';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { eventually } from '@countersign/testing';
import { Controller } from '@nestjs/common';
import { MessagePattern, Ctx, Payload } from '@nestjs/microservices';
import { type ConsumedRecord, type Subscription } from '../../broker.js';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  Gate,
  moduleOf,
  throwFatal,
  record,
  STATE,
  textOf,
  until,
  UNSIGNED_REPLIES,
} from '../../../test/contract-world.js';
import { BusClient } from '../../request-reply/bus-client.js';
import { createBusApp } from '../../request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo, toRecord } from '../../envelope/envelope.js';
import { BusServer } from '../../request-reply/bus-server.js';
import { KafkaBroker } from '../kafka-broker.js';

jest.setTimeout(120_000);

const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',');
const foreign = new Kafka({ brokers, logLevel: logLevel.NOTHING });

let prefix: string;
let broker: KafkaBroker;
let opened: KafkaBroker[];
let admin: Admin;

const open = (options: { silenceMs?: number; electionMs?: number } = {}): KafkaBroker => {
  const made = new KafkaBroker({ brokers, clientId: 'test', topicPrefix: prefix, ...options });
  opened.push(made);
  return made;
};

beforeEach(async () => {
  prefix = `g${randomBytes(6).toString('hex')}.`;
  opened = [];
  broker = open();
  admin = foreign.admin();
  await admin.connect();
  await broker.ensureTopics([COMMANDS, STATE]);
});

afterEach(async () => {
  await Promise.all(opened.map((made) => made.close()));
  await admin.disconnect();
});

/** Deletes the records before an offset, as retention does. */
async function removeBefore(offset: number): Promise<void> {
  const topic = prefix + STATE.name;
  // The broker allows this only for topics with deletion.
  const resources = [{ type: 2, name: topic, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }];
  await admin.alterConfigs({ validateOnly: false, resources });
  // The broker applies the change of the policy after it has answered, and refuses to delete until then.
  const remove = admin.deleteTopicRecords.bind(admin, {
    topic,
    partitions: [{ partition: 0, offset: String(offset) }],
  });
  await eventually('the records are deleted', () =>
    remove().then(
      () => true,
      () => false,
    ),
  );
}

describe('a group with records that were removed before it handled them', () => {
  const seen: string[] = [];
  const handle = (read: ConsumedRecord): Promise<void> => Promise.resolve(void seen.push(textOf(read)));
  const options = { group: 'g', topics: [STATE.name], onFatal: throwFatal };

  beforeEach(async () => {
    seen.length = 0;
    await broker.send([record(STATE, 'k', 'first')]);
    const before = await broker.consume(options, handle);
    await until(() => seen.includes('first'), 'the first record');
    await before.close();
    await broker.send(['removed', 'removed', 'kept'].map((value) => record(STATE, 'k', value)));
  });

  it('refuses to run and names the command, and continues after the loss was accepted', async () => {
    await removeBefore(3);
    const faults: Error[] = [];
    const refused = await broker.consume({ ...options, onFatal: (error) => faults.push(error) }, handle);
    await expect(refused.ready).rejects.toMatchObject({ code: 'RECORDS_LOST', retriable: false });
    for (const part of ['group g', STATE.name, 'partition 0', 'offset is 1', 'offset 3', 'accept-loss g']) {
      expect(faults[0]?.message).toContain(part);
    }
    expect(seen).toEqual(['first']);
    await expect(broker.acceptLoss('g', false)).rejects.toThrow('stop every copy');
    await refused.close();
    const loss = [{ topic: STATE.name, partition: 0, from: 1, to: 3 }];
    expect(await broker.acceptLoss('g', true)).toEqual(loss);
    expect(await broker.acceptLoss('g', false)).toEqual(loss);
    expect(await broker.acceptLoss('g', false)).toEqual([]);
    await expect(broker.acceptLoss('no-such-group', false)).rejects.toThrow('there is no group no-such-group');
    await broker.consume(options, handle);
    await until(() => seen.includes('kept'), 'the record that was kept');
    expect(seen).toEqual(['first', 'kept']);
  });

  it('reports a fatal error when records are removed while it runs', async () => {
    const faults: Error[] = [];
    const gate = new Gate();
    const running = await broker.consume(
      { ...options, maxInFlight: 1, onFatal: (error) => faults.push(error) },
      async (read) => {
        await handle(read);
        await gate.opened;
      },
    );
    await running.ready;
    // More than the begin limit covers: the rest has to be fetched again.
    await broker.send(Array.from({ length: 1_500 }, (_, n) => record(STATE, `k-${n}`, `v-${n}`)));
    await until(() => running.stats().inFlight === 1, 'a full partition');
    await removeBefore(1_504);
    await broker.send([record(STATE, 'k', 'after the gap')]);
    gate.open();
    await until(() => faults.length > 0, 'the refusal');
    expect(faults[0]).toMatchObject({ code: 'RECORDS_LOST' });
    expect(seen).not.toContain('after the gap');
  });

  it('refuses to run when its offset stays beyond the end of the log', async () => {
    await admin.setOffsets({
      ...{ groupId: `${prefix}g`, topic: prefix + STATE.name, partitions: [{ partition: 0, offset: '50' }] },
    });
    const refused = await open({ electionMs: 2_000 }).consume({ ...options, onFatal: () => undefined }, handle);
    const fault = await refused.ready.catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'RECORDS_LOST', retriable: false });
    expect(String(fault)).toContain('the log ends at offset 4');
    expect(seen).toEqual(['first']);
  });
});

describe('a group consumer', () => {
  it('reports a fatal error when it cannot join its group although the broker answers', async () => {
    // A member that sends heartbeats and never joins again blocks the rebalance for a minute.
    const stuck = foreign.consumer({ groupId: `${prefix}g`, sessionTimeout: 60_000, rebalanceTimeout: 60_000 });
    await stuck.connect();
    await stuck.subscribe({ topic: prefix + STATE.name, fromBeginning: true });
    const gate = new Gate();
    let holds = false;
    await stuck.run({
      eachMessage: async () => {
        holds = true;
        await gate.opened;
      },
    });
    await broker.send([record(STATE, 'k', 'v')]);
    await until(() => holds, 'the member holds the partition');
    const faults: Error[] = [];
    const options = { group: 'g', topics: [STATE.name], onFatal: (error: Error) => void faults.push(error) };
    const member = await open({ silenceMs: 5_000 }).consume(options, () => Promise.resolve());
    await expect(member.ready).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    expect(faults[0]?.message).toContain('was in no group for 5 s');
    gate.open();
    await stuck.disconnect();
  });

  it('continues when it has no records for longer than the silence limit', async () => {
    const faults: Error[] = [];
    const seen: string[] = [];
    const options = { group: 'g', topics: [STATE.name], onFatal: (error: Error) => void faults.push(error) };
    const idle = open({ silenceMs: 500 });
    await (
      await idle.consume(options, (read) => Promise.resolve(void seen.push(textOf(read))))
    ).ready;
    const start = performance.now();
    await until(() => performance.now() - start > 2_000, 'four times the silence');
    await broker.send([record(STATE, 'k', 'v')]);
    await until(() => seen.length === 1, 'the record');
    expect(faults).toEqual([]);
  });

  it('takes the records that arrive in its gathering pause with the next fetch, and ends the pause on close', async () => {
    const seen: Record<string, string[]> = { gathering: [], other: [] };
    const consume = (group: string, gatherMs?: number): Promise<Subscription> =>
      broker.consume(
        { group, topics: [STATE.name], onFatal: throwFatal, ...(gatherMs !== undefined && { gatherMs }) },
        (read) => Promise.resolve(void seen[group]?.push(textOf(read))),
      );
    // Longer than the test: only the close ends the pause.
    const gathering = await consume('gathering', 600_000);
    await (
      await consume('other')
    ).ready;
    await gathering.ready;
    await broker.send([record(STATE, 'a', 'first')]);
    await until(() => seen['gathering']?.length === 1, 'the first record begins the pause');
    await broker.send([record(STATE, 'a', 'second'), record(STATE, 'b', 'third')]);
    await until(() => seen['other']?.length === 3, 'another group has the later records');
    expect(seen['gathering']).toEqual(['first']);
    await gathering.close();
    await consume('gathering');
    await until(() => seen['gathering']?.length === 3, 'the next member has the later records');
    expect(seen['gathering']).toEqual(['first', 'second', 'third']);
  });

  it('does not wait on close for a record that waits for its retry, and begins no further record', async () => {
    let attempts = 0;
    const options = { group: 'g', topics: [STATE.name], onFatal: throwFatal };
    const member = await broker.consume(options, () => {
      attempts++;
      return Promise.reject(new Error('not yet'));
    });
    await broker.send([record(STATE, 'k', 'v')]);
    await until(() => attempts >= 3 && member.stats().retrying === 1, 'a growing pause');
    const before = attempts;
    const start = performance.now();
    await member.close(30_000);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(attempts).toBe(before);
  });
});

@Controller()
class Echo {
  @MessagePattern(TestRequest.type)
  answer(@Payload() request: TestRequest, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(TestReply, { number: request.number }));
  }
}

describe('BusServer on Kafka', () => {
  it('does not commit past a record until its dead letter is written', async () => {
    const server = new BusServer({ broker, group: 'servers', messages: [TestRequest], onFatal: throwFatal });
    server.addHandler(TestRequest.type, () => Promise.resolve(undefined as never));
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error instanceof Error ? reject(error) : resolve())),
    );
    await admin.deleteTopics({ topics: [prefix + DEAD_LETTERS.name] });
    const broken = { ...toRecord({ message: testRequest('s', 1) }), value: Buffer.from('no JSON') };
    await broker.send([broken]);
    const lag = (): number => (server.stats()?.lag ?? []).reduce((sum, partition) => sum + partition.lag, 0);
    await until(() => server.stats()?.retrying === 1 && lag() === 1, 'the record waits');
    expect(server.counts.deadLettered).toBe(0);
    await broker.ensureTopics([DEAD_LETTERS]);
    await until(() => server.counts.deadLettered === 1 && lag() === 0, 'the dead letter and the commit');
    await server.close();
  });

  it('writes one reply per request to each reply address, however many addresses exist', async () => {
    const app = await createBusApp(moduleOf(Echo), {
      broker,
      group: 'servers',
      messages: [TestRequest],
      onFatal: throwFatal,
    });
    await app.listen();
    const clients = await Promise.all(
      Array.from({ length: 4 }, (_, n) =>
        BusClient.open({ broker: open(), owner: `tester-${n}`, proof: UNSIGNED_REPLIES, onFatal: throwFatal }),
      ),
    );
    await Promise.all(
      clients.flatMap((client, n) =>
        Array.from({ length: 5 * (n + 1) }, (_, i) => client.request(testRequest(`s-${i}`, i), TestReply, 30_000)),
      ),
    );
    const topics = (await admin.listTopics()).filter((name) => name.startsWith(`${prefix}replies.`)).sort();
    const received = await Promise.all(
      topics.map(async (name) => Number((await admin.fetchTopicOffsets(name))[0]?.high)),
    );
    // One more each: the loop-back record of the address.
    expect(received).toEqual([6, 11, 16, 21]);
    await Promise.all(clients.map((client) => client.close()));
    await app.close();
  });
});
