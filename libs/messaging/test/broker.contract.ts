import { type Broker, type ConsumedRecord, type Subscription } from '../src/broker.js';
import { COMMANDS, Gate, throwFatal, record, STATE, textOf, until, type ContractWorld } from './contract-world.js';

/** What every broker MUST do; run by the spec of each. */
export function brokerContract(open: () => Promise<ContractWorld>): void {
  let world: ContractWorld;
  let broker: Broker;

  const consume = async (
    on: Broker,
    handle: (record: ConsumedRecord) => Promise<void>,
    options: { group?: string; topic?: string; maxInFlight?: number } = {},
  ): Promise<Subscription> => {
    const { group = 'readers', topic = COMMANDS.name, ...rest } = options;
    const subscription = await on.consume({ group, topics: [topic], onFatal: throwFatal, ...rest }, handle);
    await subscription.ready;
    return subscription;
  };

  beforeEach(async () => {
    world = await open();
    broker = world.broker();
    await broker.ensureTopics([COMMANDS, STATE]);
  });

  afterEach(() => world.close());

  describe('topics', () => {
    it('can be ensured by several processes at once, and repeatedly', async () => {
      const spec = { name: 'test.raced', kind: 'fact' } as const;
      await Promise.all([broker.ensureTopics([spec]), world.broker().ensureTopics([spec, COMMANDS])]);
      await broker.ensureTopics([spec]);
      await broker.send([record(spec, 'k', 'v')]);
    });

    it('cause an error that names ensureTopics when they do not exist', async () => {
      const missing = { name: 'test.missing', kind: 'command' } as const;
      const refusal = {
        code: 'INTERNAL',
        retriable: false,
        message: expect.stringContaining('ensureTopics') as string,
      };
      await expect(broker.send([record(missing, 'k', 'v')])).rejects.toMatchObject(refusal);
      await expect(consume(broker, () => Promise.resolve(), { topic: missing.name })).rejects.toMatchObject(refusal);
      await broker.send([record(COMMANDS, 'k', 'v')]);
    });
  });

  describe('a consumer', () => {
    it('handles the records of one key in order and one at a time', async () => {
      const seen = new Map<string, number[]>();
      let busy = new Set<string>();
      let overlaps = 0;
      await consume(broker, async ({ key, value }) => {
        if (busy.has(key)) overlaps++;
        busy = new Set([...busy, key]);
        await new Promise((resolve) => setImmediate(resolve));
        busy.delete(key);
        seen.set(key, [...(seen.get(key) ?? []), Number(value.toString())]);
      });
      const numbers = Array.from({ length: 40 }, (_, number) => number);
      const keys = ['a', 'b', 'c', 'd', 'e'];
      await Promise.all(numbers.map((n) => broker.send(keys.map((key) => record(COMMANDS, key, String(n))))));
      await until(() => keys.every((key) => seen.get(key)?.length === numbers.length), 'all records handled');
      for (const key of keys) expect(seen.get(key)).toEqual(numbers);
      expect(overlaps).toBe(0);
    });

    it('does not delay other keys of the partition by a slow key', async () => {
      const gate = new Gate();
      const done: string[] = [];
      await consume(
        broker,
        async (read) => {
          if (read.key === 'slow') await gate.opened;
          done.push(read.key);
        },
        { topic: STATE.name },
      );
      await broker.send(['slow', 'b', 'c', 'd'].map((key) => record(STATE, key, 'v')));
      await until(() => done.length === 3, 'the quick ones done');
      expect(done).toEqual(['b', 'c', 'd']);
      gate.open();
      await until(() => done.length === 4, 'the slow one done');
    });

    it('handles at most maxInFlight records at once, and all of them in the end', async () => {
      const gate = new Gate();
      let inProgress = 0;
      let maxSeen = 0;
      const handled = new Set<string>();
      await consume(
        broker,
        async (read) => {
          maxSeen = Math.max(maxSeen, ++inProgress);
          await gate.opened;
          inProgress--;
          handled.add(textOf(read));
        },
        { maxInFlight: 4 },
      );
      const count = 1_000;
      await broker.send(Array.from({ length: count }, (_, n) => record(COMMANDS, `key-${n}`, String(n))));
      await until(() => inProgress === 4, 'four records in progress');
      gate.open();
      await until(() => handled.size === count, 'all handled');
      expect(maxSeen).toBe(4);
    });

    it('receives each record in one member of its group, and in every group', async () => {
      const seen = { first: [] as string[], second: [] as string[], other: [] as string[] };
      const into = (list: string[]) => (read: ConsumedRecord) => Promise.resolve(void list.push(textOf(read)));
      await consume(broker, into(seen.first));
      await consume(world.broker(), into(seen.second));
      await consume(world.broker(), into(seen.other), { group: 'others' });
      const sent = Array.from({ length: 60 }, (_, n) => String(n));
      await broker.send(sent.map((n) => record(COMMANDS, `key-${n}`, n)));
      const numerically = (list: string[]): string[] => [...list].sort((a, b) => Number(a) - Number(b));
      await until(() => seen.first.length + seen.second.length >= 60 && seen.other.length >= 60, 'all handled');
      expect(numerically([...seen.first, ...seen.second])).toEqual(sent);
      expect(numerically(seen.other)).toEqual(sent);
      expect(Math.min(seen.first.length, seen.second.length)).toBeGreaterThan(0);
    });

    it('receives records that were sent before its group first joined', async () => {
      await broker.send([record(COMMANDS, 'k', 'early')]);
      const seen: string[] = [];
      await consume(broker, (read) => Promise.resolve(void seen.push(textOf(read))));
      await until(() => seen.includes('early'), 'the early record');
    });
  });

  describe('redelivery', () => {
    it('repeats a failed record before later ones of its key, while other keys continue', async () => {
      const seen: string[] = [];
      let failures = 3;
      await consume(
        broker,
        (read) => {
          seen.push(textOf(read));
          if (textOf(read) === 'a1' && failures-- > 0) return Promise.reject(new Error('not yet'));
          return Promise.resolve();
        },
        { topic: STATE.name },
      );
      await broker.send([record(STATE, 'a', 'a1'), record(STATE, 'a', 'a2'), record(STATE, 'b', 'b1')]);
      await until(() => seen.includes('a2'), 'the later record of the key');
      expect(seen.filter((value) => value.startsWith('a'))).toEqual(['a1', 'a1', 'a1', 'a1', 'a2']);
      expect(seen.indexOf('b1')).toBeLessThan(seen.lastIndexOf('a1'));
    });

    it('gives the unfinished records of a closed member to another member', async () => {
      const begun: string[] = [];
      const vanishing = await consume(broker, (read) => {
        begun.push(textOf(read));
        return new Promise(() => undefined);
      });
      await broker.send([record(COMMANDS, 'k', 'work')]);
      await until(() => begun.length === 1, 'the work begun');
      await vanishing.close(0);
      const done: string[] = [];
      await consume(world.broker(), (read) => Promise.resolve(void done.push(textOf(read))));
      await until(() => done.includes('work'), 'the work done by another');
    });

    it('starts at the lowest unfinished record, because no offset past it was committed', async () => {
      const first: string[] = [];
      const member = await consume(
        broker,
        (read) => {
          first.push(textOf(read));
          return textOf(read) === 'stuck' ? new Promise(() => undefined) : Promise.resolve();
        },
        { topic: STATE.name },
      );
      await broker.send(['before', 'stuck', 'after'].map((value) => record(STATE, value, value)));
      await until(() => first.length === 3, 'all begun');
      await member.close(50);
      const second: string[] = [];
      await consume(world.broker(), (read) => Promise.resolve(void second.push(textOf(read))), { topic: STATE.name });
      await until(() => second.includes('after'), 'the rest again');
      expect(second).toEqual(['stuck', 'after']);
    });

    it('skips no record while members join and leave under load', async () => {
      const seen = new Set<string>();
      const handle = async (read: ConsumedRecord): Promise<void> => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.add(textOf(read));
      };
      const first = await consume(broker, handle);
      const count = 600;
      let sent = 0;
      const sending = (async (): Promise<void> => {
        for (; sent < count; sent += 10) {
          const values = Array.from({ length: 10 }, (_, n) => String(sent + n));
          await broker.send(values.map((value) => record(COMMANDS, `key-${Number(value) % 37}`, value)));
        }
      })();
      await until(() => sent >= 100, 'some load');
      const second = await consume(world.broker(), handle);
      await until(() => sent >= 300, 'more load');
      await first.close();
      await sending;
      await until(() => seen.size === count, 'every record handled');
      await second.close();
    });

    it('does not happen when a member closes in time: records in progress are finished and committed', async () => {
      const gate = new Gate();
      const first: string[] = [];
      const member = await consume(
        broker,
        async (read) => {
          first.push(textOf(read));
          await gate.opened;
        },
        { topic: STATE.name },
      );
      await broker.send([record(STATE, 'a', 'one'), record(STATE, 'b', 'two')]);
      await until(() => first.length === 2, 'both begun');
      const closing = member.close();
      gate.open();
      await closing;
      const second: string[] = [];
      await consume(world.broker(), (read) => Promise.resolve(void second.push(textOf(read))), { topic: STATE.name });
      await broker.send([record(STATE, 'c', 'three')]);
      await until(() => second.includes('three'), 'the new record');
      expect(second).toEqual(['three']);
    });
  });

  describe('a follower', () => {
    it('receives everything from the beginning in each process, and reports when it has caught up', async () => {
      const other = world.broker();
      await broker.send(Array.from({ length: 20 }, (_, n) => record(STATE, `key-${n}`, String(n))));
      const seen: string[][] = [[], []];
      const followers = await Promise.all(
        [broker, other].map((on, index) =>
          on.follow(STATE.name, (read) => seen[index]?.push(textOf(read)), throwFatal),
        ),
      );
      await Promise.all(followers.map((follower) => follower.caughtUp));
      const all = Array.from({ length: 20 }, (_, n) => String(n));
      expect(seen).toEqual([all, all]);
      await broker.send([record(STATE, 'key-3', 'news')]);
      await until(() => seen.every((list) => list.at(-1) === 'news'), 'the news in both');
      await Promise.all(followers.map((follower) => follower.close()));
    });

    it('has caught up with an empty topic at once', async () => {
      const follower = await broker.follow(STATE.name, () => undefined, throwFatal);
      await follower.caughtUp;
      await follower.close();
    });
  });

  it('reads the newest records of a topic, the oldest of them first', async () => {
    expect(await broker.readNewest(STATE.name, 2)).toEqual([]);
    await broker.send(['a', 'b', 'c'].map((value) => record(STATE, value, value)));
    expect((await broker.readNewest(STATE.name, 2)).map(textOf)).toEqual(['b', 'c']);
    const all = await broker.readNewest(STATE.name, 10);
    expect(all.map(textOf)).toEqual(['a', 'b', 'c']);
    expect(all.at(-1)).toMatchObject({ topic: STATE.name, partition: 0, offset: '2', key: 'c' });
    await expect(broker.readNewest('test.missing', 1)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  describe('a reply address', () => {
    it('receives the records that are sent to it, and none that are sent to another address', async () => {
      const seen = { one: [] as string[], two: [] as string[] };
      const one = await broker.openReplyAddress('tester', (read) => seen.one.push(textOf(read)), throwFatal);
      const two = await world.broker().openReplyAddress('tester', (read) => seen.two.push(textOf(read)), throwFatal);
      const reply = (topic: string, value: string) => record({ name: topic, kind: 'command' }, 'k', value);
      await broker.send([reply(one.topic, 'for one'), reply(two.topic, 'for two')]);
      await until(() => seen.one.length > 0 && seen.two.length > 0, 'both replies');
      expect(seen).toEqual({ one: ['for one'], two: ['for two'] });
    });

    it('drops records after it was closed, without delaying other sends', async () => {
      const closed = await broker.openReplyAddress('tester', () => undefined, throwFatal);
      const seen: string[] = [];
      const alive = await world.broker().openReplyAddress('tester', (read) => seen.push(textOf(read)), throwFatal);
      const reply = (topic: string) => record({ name: topic, kind: 'command' }, 'k', 'v');
      await broker.send([reply(closed.topic)]);
      await closed.close();
      await broker.send([reply(closed.topic), reply(alive.topic), record(COMMANDS, 'k', 'v')]);
      await until(() => seen.length === 1, 'the reply to the open address');
    });
  });
}
