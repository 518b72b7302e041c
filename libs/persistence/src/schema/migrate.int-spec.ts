import { createTestDatabase } from '@countersign/testing';
import { Client } from 'pg';
import { Migration, openDatabase, type MigrationClass } from '../index.js';

class First1763800000001 extends Migration {
  readonly statements = ['CREATE TABLE ran (n int)', 'INSERT INTO ran VALUES (1)', 'SELECT pg_sleep(0.2)'];
}
class Second1763800000002 extends Migration {
  readonly statements = ['INSERT INTO ran VALUES (2)'];
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
    const opened = await Promise.all(Array.from({ length: 4 }, () => open([First1763800000001, Second1763800000002])));
    expect(opened).toEqual([both, both, both, both]);
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>('SELECT name FROM service.migrations ORDER BY id');
    await client.end();
    expect(rows.map((row) => row.name)).toEqual(['First1763800000001', 'Second1763800000002']);
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
