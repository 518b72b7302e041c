import { createTestDatabase, eventually } from '@countersign/testing';
import { Client } from 'pg';
import { ConcurrentIndexes, Migration, openDatabase, type MigrationClass } from '../index.js';

class First1763800000001 extends Migration {
  readonly statements = ['CREATE TABLE ran (n int)', 'INSERT INTO ran VALUES (1)', 'SELECT pg_sleep(0.2)'];
}
class Second1763800000002 extends Migration {
  readonly statements = ['INSERT INTO ran VALUES (2)'];
}
class Indexes1763800000004 extends ConcurrentIndexes {
  readonly statements = [
    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ran_once\n  ON service.ran (n)',
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS ran_twice ON service.ran ((n + 1))',
  ];
}
class Broken1763800000003 extends Migration {
  readonly statements = ['INSERT INTO ran VALUES (3)', 'CREATE TABLE broken (n nonsense)'];
}

describe('migrate', () => {
  let url: string;
  let drop: () => Promise<void>;

  beforeEach(async () => {
    ({ url, drop } = await createTestDatabase());
  });
  afterEach(() => drop());

  const open = async (migrations: MigrationClass[]): Promise<unknown[]> => {
    const database = await openDatabase({ url, schema: 'service', migrations, applicationName: 'spec', poolSize: 1 });
    try {
      return await database.query('SELECT n FROM ran ORDER BY n');
    } finally {
      await database.close();
    }
  };

  it('runs each migration once when four copies start at once', async () => {
    const both = [{ n: 1 }, { n: 2 }];
    const migrations = [First1763800000001, Second1763800000002, Indexes1763800000004];
    const opened = await Promise.all(Array.from({ length: 4 }, () => open(migrations)));
    expect(opened).toEqual([both, both, both, both]);
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>('SELECT name FROM service.migrations ORDER BY id');
    await client.end();
    expect(rows.map((row) => row.name)).toEqual(migrations.map(({ name }) => name));
  });

  it('builds an index while others write, and builds it again after it was interrupted', async () => {
    await open([First1763800000001]);
    const [writer, other] = [new Client({ connectionString: url }), new Client({ connectionString: url })];
    await Promise.all([writer.connect(), other.connect()]);
    await writer.query('BEGIN; INSERT INTO service.ran VALUES (7), (7)');
    const failed = open([First1763800000001, Indexes1763800000004]).then(
      () => 'built',
      (error: unknown) => error,
    );
    await eventually('the build waits for the writer', async () => {
      const { rows } = await other.query(
        `SELECT FROM pg_stat_activity WHERE wait_event = 'virtualxid' AND datname = current_database()`,
      );
      return rows.length > 0;
    });
    await other.query(`SET lock_timeout = '5s'; INSERT INTO service.ran VALUES (8)`);
    await writer.query('COMMIT');
    expect(await failed).toMatchObject({ message: expect.stringContaining('ran_once') as string });
    const indexes = async (): Promise<unknown[]> => {
      const sql = `SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index
        WHERE indrelid = 'service.ran'::regclass ORDER BY 1`;
      return (await other.query<object>(sql)).rows;
    };
    expect(await indexes()).toEqual([{ name: 'service.ran_once', valid: false }]);
    await other.query('DELETE FROM service.ran WHERE n = 7');
    await open([First1763800000001, Indexes1763800000004]);
    expect(await indexes()).toEqual([
      { name: 'service.ran_once', valid: true },
      { name: 'service.ran_twice', valid: true },
    ]);
    // As after an interruption between a build and the record of the migration.
    await other.query(`DELETE FROM service.migrations WHERE name = 'Indexes1763800000004'`);
    await open([First1763800000001, Indexes1763800000004]);
    await Promise.all([writer.end(), other.end()]);
  });

  it('brings an older schema up to date', async () => {
    expect(await open([First1763800000001])).toEqual([{ n: 1 }]);
    expect(await open([First1763800000001, Second1763800000002])).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('keeps nothing of a failed migration, and keeps the ones before it', async () => {
    const failing = open([First1763800000001, Second1763800000002, Broken1763800000003]);
    await expect(failing).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('type "nonsense" does not exist') as string,
    });
    expect(await open([First1763800000001, Second1763800000002])).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('rejects a schema that is newer than the build', async () => {
    await open([First1763800000001, Second1763800000002]);
    await expect(open([First1763800000001])).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retriable: false,
      message: expect.stringContaining('Second1763800000002') as string,
    });
  });

  it('needs no right to create schemas when the schema exists', async () => {
    await open([First1763800000001]);
    const admin = new Client({ connectionString: url });
    await admin.connect();
    const role = `limited_${process.pid}`;
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'limited'`);
    await admin.query(`GRANT ALL ON SCHEMA service TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA service TO ${role}`);
    const limited = new URL(url);
    limited.username = role;
    limited.password = 'limited';
    const options = { url: limited.href, schema: 'service', migrations: [First1763800000001], applicationName: 'spec' };
    const database = await openDatabase(options);
    expect(await database.query('SELECT n FROM ran')).toEqual([{ n: 1 }]);
    await database.close();
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await admin.end();
  });

  it('rejects a schema name that needs quoting, and an invalid URL', async () => {
    const options = { url, schema: 'a"; DROP', migrations: [], applicationName: 'spec' };
    await expect(openDatabase(options)).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
    await expect(openDatabase({ ...options, schema: 'a', url: 'localhost' })).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
    });
  });
});
