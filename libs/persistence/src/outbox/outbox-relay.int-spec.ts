import { randomUUID } from 'node:crypto';
import { createTestDatabase, eventually, outboxTable, tableScans } from '@countersign/testing';
import {
  Migration,
  openDatabase,
  Outbox,
  OutboxRelay,
  type Database,
  type DatabaseOptions,
  type OutboxMessage,
  type OutboxRelayOptions,
  type RelayedRecord,
  type Sql,
} from '../index.js';

class Outbox1763800000000 extends Migration {
  readonly statements = [...outboxTable('facts'), 'CREATE TABLE facts (key text, n int)'];
}

describe('Outbox and OutboxRelay', () => {
  let url: string;
  let drop: () => Promise<void>;
  let database: Database;
  let outbox: Outbox;
  const relays: OutboxRelay[] = [];
  const others: Database[] = [];

  const options = (): DatabaseOptions => ({
    ...{ url, schema: 'facts', migrations: [Outbox1763800000000], applicationName: 'spec' },
    as: 'administrator',
  });
  const open = (): Promise<Database> => openDatabase(options());

  const relay = (options: Partial<OutboxRelayOptions> & Pick<OutboxRelayOptions, 'send'>): OutboxRelay => {
    const made = new OutboxRelay({ database, onError: () => undefined, lingerMs: 1, pollMs: 50, ...options });
    relays.push(made);
    made.start();
    return made;
  };

  beforeAll(async () => {
    ({ url, drop } = await createTestDatabase());
    database = await open();
    outbox = new Outbox(database);
  });
  afterEach(async () => {
    await Promise.all(relays.splice(0).map((one) => one.close()));
    await Promise.all(others.splice(0).map((one) => one.close()));
    await database.query('TRUNCATE outbox, facts');
  });
  afterAll(async () => {
    await database.close();
    await drop();
  });

  const add = (tx: Sql, key: string, ...numbers: number[]): Promise<void> =>
    outbox.add(
      tx,
      numbers.map((n) => fact(key, n)),
    );

  it('publishes a record as it was written', async () => {
    const sent: RelayedRecord[] = [];
    const message = { ...fact('schlüssel', 1), value: '{"text":"naïve 💡"}', headers: { type: 'fact.v1', id: 'x' } };
    await database.transaction((tx) => outbox.add(tx, [message]));
    relay({ send: (records) => Promise.resolve(void sent.push(...records)) });
    await eventually('the record is sent', () => sent.length === 1);
    expect(sent[0]).toEqual({
      topic: 'facts',
      key: 'schlüssel',
      headers: { type: 'fact.v1', id: 'x' },
      value: Buffer.from(message.value),
    });
  });

  it('publishes nothing of a transaction that rolled back', async () => {
    const sent: RelayedRecord[] = [];
    const failing = database.transaction(async (tx) => {
      await add(tx, 'a', 1);
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    await database.transaction((tx) => add(tx, 'a', 2));
    const running = relay({ send: (records) => Promise.resolve(void sent.push(...records)) });
    await eventually('the outbox is empty', async () => (await running.pending()) === 0 && sent.length > 0);
    expect(numbersOf(sent, 'a')).toEqual([2]);
  });

  it('publishes a backlog in chunks and pauses as long as it works, also with two copies', async () => {
    const numbers = Array.from({ length: 1_000 }, (_, n) => n);
    await database.transaction((tx) => add(tx, 'a', ...numbers));
    const sent: RelayedRecord[] = [];
    const sizes: number[] = [];
    let underWay = 0;
    let busyMs = 0;
    const began = performance.now();
    const send = async (records: RelayedRecord[]): Promise<void> => {
      expect(++underWay).toBe(1);
      const since = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 20));
      busyMs += performance.now() - since;
      underWay--;
      sizes.push(records.length);
      sent.push(...records);
    };
    const copy = await open();
    others.push(copy);
    relay({ send, batchSize: 250 });
    relay({ send, batchSize: 250, database: copy });
    await eventually('everything is sent', () => sent.length === numbers.length, 20_000);
    expect(numbersOf(sent, 'a')).toEqual(numbers);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    // The pause after the last full batch may be outside the measurement.
    expect(performance.now() - began).toBeGreaterThan(busyMs * 1.6);
  });

  it('publishes records of one key in commit order with many writers and four relays, without loss or repetition', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const sent: RelayedRecord[] = [];
    // Each relay sends slowly and unevenly, so that batches without the lock would overtake each other.
    const copies = await Promise.all([database, open(), open(), open()].map((one) => Promise.resolve(one)));
    others.push(...copies.slice(1));
    const running = copies.map((copy, i) =>
      relay({
        database: copy,
        batchSize: 7,
        send: async (records) => {
          await new Promise((resolve) => setTimeout(resolve, i * 2));
          sent.push(...records);
        },
      }),
    );
    const rolledBack = new Error('one in ten');
    let wrote = 0;
    const write = async (writer: number): Promise<void> => {
      const own = copies[writer % 4] ?? database;
      for (let round = 0; round < 20; round++) {
        const key = keys[(writer + round) % keys.length] ?? '';
        const work = own.transaction(async (tx) => {
          // Rows are numbered by the committed count, so the numbers show the order of commits.
          await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [key]);
          const [row] = await tx.query<{ n: number }>('SELECT count(*)::int AS n FROM facts WHERE key = $1', [key]);
          await tx.query('INSERT INTO facts VALUES ($1, $2)', [key, row?.n]);
          await add(tx, key, row?.n ?? 0);
          if ((writer + round) % 10 === 0) throw rolledBack;
        });
        await work.then(
          () => wrote++,
          (error: unknown) => expect(error).toBe(rolledBack),
        );
        running[writer % 4]?.wake();
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, writer) => write(writer)));
    await eventually(
      'the outbox is empty',
      async () => (await database.query('SELECT 1 FROM outbox LIMIT 1')).length === 0,
    );
    expect(sent).toHaveLength(wrote);
    for (const key of keys) {
      const numbers = numbersOf(sent, key);
      expect(numbers).toEqual(numbers.map((_, i) => i));
    }
  }, 30_000);

  it('numbers records of one key in commit order without a lock of the writers', async () => {
    const sent: RelayedRecord[] = [];
    const order: number[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let firstAdded = false;
    const first = database
      .transaction(async (tx) => {
        await add(tx, 'a', 1);
        firstAdded = true;
        await gate;
      })
      .then(() => order.push(1));
    await eventually('the first transaction has written', () => firstAdded);
    const second = database.transaction((tx) => add(tx, 'a', 2)).then(() => order.push(2));
    await database.transaction((tx) => add(tx, 'b', 3));
    const running = relay({ send: (records) => Promise.resolve(void sent.push(...records)) });
    // The other key is not blocked: the lock is per key, not per table.
    await eventually('the other key is sent', () => numbersOf(sent, 'b').length === 1);
    expect(numbersOf(sent, 'a')).toEqual([]);
    release();
    await Promise.all([first, second]);
    running.wake();
    await eventually('both records of the key are sent', () => numbersOf(sent, 'a').length === 2);
    expect(numbersOf(sent, 'a')).toEqual([1, 2]);
    expect(order).toEqual([1, 2]);
  });

  it('does not skip a record whose transaction was open while later ones were published', async () => {
    const sent: RelayedRecord[] = [];
    const running = relay({ send: (records) => Promise.resolve(void sent.push(...records)) });
    await database.transaction(async (tx) => {
      await add(tx, 'slow', 1);
      await database.transaction((other) => add(other, 'quick', 2));
      running.wake();
      await eventually('the later record is sent', () => sent.length === 1);
    });
    running.wake();
    await eventually('the earlier record is sent', () => sent.length === 2);
    expect(sent.map((record) => record.key)).toEqual(['quick', 'slow']);
  });

  it('keeps records and their order while sending fails, and publishes them when it works again', async () => {
    const sent: RelayedRecord[] = [];
    const errors: unknown[] = [];
    let working = false;
    const send = (records: RelayedRecord[]): Promise<void> =>
      working ? Promise.resolve(void sent.push(...records)) : Promise.reject(new Error('no broker'));
    const running = relay({ send, onError: (error) => errors.push(error) });
    await database.transaction((tx) => add(tx, 'a', 1, 2, 3));
    running.wake();
    await eventually('sending has failed twice', () => errors.length >= 2);
    await database.transaction((tx) => add(tx, 'a', 4));
    const before = await running.backlog();
    expect(before).toMatchObject({ pending: 4 });
    expect(before.oldestAgeSeconds).toBeGreaterThan(0);
    working = true;
    await eventually('all records are sent', () => sent.length === 4);
    expect(numbersOf(sent, 'a')).toEqual([1, 2, 3, 4]);
    await eventually('the outbox is empty', async () => (await running.pending()) === 0);
    expect(await running.backlog()).toEqual({ pending: 0, oldestAgeSeconds: 0 });
  });

  it('sends records again with the same ids when the connection breaks before the deletion', async () => {
    const batches: RelayedRecord[][] = [];
    const send = async (records: RelayedRecord[]): Promise<void> => {
      batches.push(records);
      if (batches.length > 1) return;
      await database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'`,
      );
    };
    const running = relay({ send });
    await database.transaction((tx) => add(tx, 'a', 1, 2));
    running.wake();
    await eventually('the records are sent again', () => batches.length === 2);
    await eventually('the outbox is empty', async () => (await running.pending()) === 0);
    expect(batches[1]).toEqual(batches[0]);
  });

  it('reads and deletes records by index, although the table is nearly always empty', async () => {
    const copy = await openDatabase({ ...options(), poolSize: 1 });
    others.push(copy);
    const records: RelayedRecord[] = [];
    const before = await tableScans(copy, 'facts');
    const running = relay({ database: copy, send: (some) => Promise.resolve(void records.push(...some)) });
    for (let round = 1; round <= 8; round++) {
      await copy.transaction((tx) =>
        new Outbox(copy).add(
          tx,
          Array.from({ length: 50 }, (_, n) => fact('a', n)),
        ),
      );
      running.wake();
      await eventually('the records are sent', () => records.length === 50 * round);
    }
    await running.close();
    expect(await tableScans(copy, 'facts')).toEqual(before);
  });

  it('combines many wakes into few batches, and publishes records that commit during a batch', async () => {
    let passes = 0;
    const sent: RelayedRecord[] = [];
    const send = (records: RelayedRecord[]): Promise<void> => {
      passes++;
      sent.push(...records);
      return Promise.resolve();
    };
    const running = relay({ send, lingerMs: 20, pollMs: 60_000 });
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        await database.transaction((tx) => add(tx, `key ${n}`, n));
        running.wake();
      }),
    );
    await eventually('all records are sent', () => sent.length === 100);
    expect(passes).toBeLessThan(30);
  });

  it('publishes committed records on close, and keeps those that it cannot send', async () => {
    const sent: RelayedRecord[] = [];
    const send = (records: RelayedRecord[]): Promise<void> => Promise.resolve(void sent.push(...records));
    const closing = relay({ send, lingerMs: 60_000, pollMs: 60_000 });
    await database.transaction((tx) => add(tx, 'a', 1));
    closing.wake();
    await closing.close();
    expect(numbersOf(sent, 'a')).toEqual([1]);
    const failing = relay({ send: () => Promise.reject(new Error('no broker')) });
    await database.transaction((tx) => add(tx, 'a', 2));
    await failing.close();
    expect(await failing.pending()).toBe(1);
  });
});

function fact(key: string, n: number): OutboxMessage {
  return { id: randomUUID(), topic: 'facts', key, headers: { type: 'fact' }, value: JSON.stringify({ n }) };
}

function numbersOf(records: RelayedRecord[], key: string): number[] {
  const own = records.filter((record) => record.key === key);
  return own.map((record) => (JSON.parse(record.value.toString()) as { n: number }).n);
}
