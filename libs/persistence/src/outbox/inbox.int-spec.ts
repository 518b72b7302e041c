import { createTestDatabase, inboxTable, tableScans } from '@countersign/testing';
import { Inbox, Migration, openDatabase, type Database, type DatabaseOptions } from '../index.js';

class Seen1763800000000 extends Migration {
  readonly statements = inboxTable('seen');
}

describe('Inbox', () => {
  let drop: () => Promise<void>;
  let database: Database;
  let options: DatabaseOptions;
  let inbox: Inbox;

  beforeAll(async () => {
    const created = await createTestDatabase();
    drop = created.drop;
    options = { url: created.url, schema: 'seen', migrations: [Seen1763800000000], applicationName: 'spec' };
    database = await openDatabase(options);
    inbox = new Inbox(database);
  });
  afterAll(async () => {
    await database.close();
    await drop();
  });

  const first = (consumer: string, id: string): Promise<boolean> =>
    database.transaction((tx) => inbox.claim(tx, consumer, id));

  it('returns true for exactly one of fifty concurrent claims', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => first('audit', 'one')));
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  it('lets the next transaction claim a message when the first rolls back', async () => {
    const failing = database.transaction(async (tx) => {
      expect(await inbox.claim(tx, 'audit', 'two')).toBe(true);
      throw new Error('the effect failed');
    });
    await expect(failing).rejects.toThrow('the effect failed');
    expect(await first('audit', 'two')).toBe(true);
    expect(await first('audit', 'two')).toBe(false);
  });

  it('separates consumers', async () => {
    expect([await first('audit', 'three'), await first('search', 'three')]).toEqual([true, true]);
  });

  it('purges only entries older than the limit', async () => {
    await first('audit', 'old');
    await database.query(`UPDATE inbox SET seen_at = seen_at - interval '2 days' WHERE message_id = 'old'`);
    await first('audit', 'new');
    expect(await inbox.purge(86_400)).toBe(1);
    expect([await first('audit', 'old'), await first('audit', 'new')]).toEqual([true, false]);
  });

  it('purges by index and all that is old, also while PostgreSQL takes every entry for an old one', async () => {
    const service = await openDatabase({ ...options, poolSize: 1 });
    try {
      await service.query(
        `INSERT INTO inbox (consumer, message_id, seen_at)
         SELECT 'audit', n::text, now() - interval '2 days' FROM generate_series(1, 12000) n`,
      );
      await database.query('ANALYZE inbox');
      const before = await tableScans(service, 'seen');
      expect(await new Inbox(service).purge(86_400)).toBe(12_000);
      expect(await tableScans(service, 'seen')).toEqual(before);
    } finally {
      await service.close();
    }
  });
});
