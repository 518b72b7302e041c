import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createTestDatabase, eventually } from '@countersign/testing';
import { ServiceError } from '@countersign/runtime';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ConstraintViolation, Migration, openDatabase, UniqueViolation, type Database } from './index.js';

const CANARY = '4711081590817263';

class People1763800000000 extends Migration {
  readonly statements = [
    'CREATE TABLE people (id text PRIMARY KEY, age int NOT NULL CONSTRAINT grown_up CHECK (age >= 18))',
    'CREATE TABLE counter (id int PRIMARY KEY, value int NOT NULL)',
    'INSERT INTO counter VALUES (1, 0)',
  ];
}

@Entity({ schema: 'people', name: 'people' })
class Person {
  @PrimaryColumn('text') id!: string;
  @Column('int') age!: number;
}

describe('Database', () => {
  let url: string;
  let drop: () => Promise<void>;
  let database: Database;
  const open = (poolSize = 10): Promise<Database> =>
    openDatabase({
      ...{ url, schema: 'people', migrations: [People1763800000000], applicationName: 'spec', poolSize },
      entities: [Person],
      // Closes connections and truncates tables, which no service may do.
      as: 'administrator',
    });

  beforeAll(async () => {
    ({ url, drop } = await createTestDatabase());
    database = await open();
  });

  afterAll(async () => {
    await database.close();
    await drop();
  });

  beforeEach(async () => {
    await database.query('TRUNCATE people');
  });

  it('returns rows of one shape for every command', async () => {
    expect(await database.query(`INSERT INTO people VALUES ('a', 20) RETURNING id`)).toEqual([{ id: 'a' }]);
    expect(await database.query('UPDATE people SET age = $1 RETURNING age', [21])).toEqual([{ age: 21 }]);
    expect(await database.prepared('spec.people', 'SELECT id, age FROM people')).toEqual([{ id: 'a', age: 21 }]);
    expect(await database.query('DELETE FROM people RETURNING id')).toEqual([{ id: 'a' }]);
    expect(await database.query('DELETE FROM people')).toEqual([]);
  });

  it('finds the tables of its own schema and no others', async () => {
    expect(await database.query('SHOW search_path')).toEqual([{ search_path: 'people' }]);
  });

  it('keeps nothing of a failed transaction, and all of a successful one', async () => {
    const broken = new Error('changed my mind');
    const failing = database.transaction(async (tx) => {
      await tx.query(`INSERT INTO people VALUES ('a', 20)`);
      throw broken;
    });
    await expect(failing).rejects.toBe(broken);
    expect(await database.query('SELECT * FROM people')).toEqual([]);
    const value = await database.transaction(async (tx) => {
      await tx.query(`INSERT INTO people VALUES ('a', 20)`);
      return 'done';
    });
    expect(value).toBe('done');
    expect(await database.query('SELECT * FROM people')).toHaveLength(1);
  });

  it('does not report success when the error of a statement was ignored', async () => {
    const swallowing = database.transaction(async (tx) => {
      await tx.query(`INSERT INTO people VALUES ('a', 20)`);
      await tx.query(`INSERT INTO people VALUES ('a', 20)`).catch(() => undefined);
    });
    await expect(swallowing).rejects.toBeInstanceOf(UniqueViolation);
  });

  it('reads and writes entities in the transaction that begins them, and keeps nothing of them when it fails', async () => {
    const failing = database.transaction(async (tx) => {
      await tx.entities.save(Person, { id: 'a', age: 20 });
      expect(await tx.query('SELECT age FROM people')).toEqual([{ age: 20 }]);
      throw new RangeError('rolls back');
    });
    await expect(failing).rejects.toBeInstanceOf(RangeError);
    await database.transaction((tx) => tx.entities.save(Person, { id: 'b', age: 30 }));
    expect(await database.transaction((tx) => tx.entities.find(Person))).toEqual([{ id: 'b', age: 30 }]);
  });

  it('rejects with its own errors for entities too, none of which contains a value', async () => {
    const insert = (age: number): Promise<unknown> =>
      database.transaction((tx) => tx.entities.insert(Person, { id: CANARY, age }));
    await insert(20);
    const errors = await Promise.all([insert(20), insert(17)].map((one) => one.catch((error: unknown) => error)));
    expect(errors[0]).toBeInstanceOf(UniqueViolation);
    expect(errors[1]).toMatchObject({ constraint: 'grown_up' });
    for (const error of errors) expect(inspect(error, { depth: 9 })).not.toContain(CANARY);
    const swallowing = database.transaction((tx) =>
      tx.entities.insert(Person, { id: CANARY, age: 20 }).catch(() => undefined),
    );
    await expect(swallowing).rejects.toBeInstanceOf(UniqueViolation);
  });

  it('rejects a statement after the end of its transaction', async () => {
    const leaked = await database.transaction((tx) => Promise.resolve({ late: () => tx.query('SELECT 1') }));
    await expect(leaked.late()).rejects.toThrow(/after the end of its transaction/);
  });

  it('loses none of two hundred increments that arrive at once', async () => {
    await Promise.all(
      Array.from({ length: 200 }, () =>
        database.transaction(async (tx) => {
          const [row] = await tx.query<{ value: number }>('SELECT value FROM counter WHERE id = 1 FOR UPDATE');
          await tx.query('UPDATE counter SET value = $1 WHERE id = 1', [(row?.value ?? 0) + 1]);
        }),
      ),
    );
    expect(await database.query('SELECT value FROM counter')).toEqual([{ value: 200 }]);
  });

  it('names the constraint that a row violates, and never the row', async () => {
    await database.query('INSERT INTO people VALUES ($1, 20)', [CANARY]);
    const unique = await failure(database.query('INSERT INTO people VALUES ($1, 20)', [CANARY]));
    expect(unique).toBeInstanceOf(UniqueViolation);
    expect(unique).toMatchObject({ constraint: 'people_pkey' });
    const check = await failure(database.query('INSERT INTO people VALUES ($1, 1)', [`${CANARY}1`]));
    expect(check).toMatchObject({ constraint: 'grown_up' });
    const missing = await failure(database.query('INSERT INTO people VALUES ($1, NULL)', [`${CANARY}2`]));
    expect(missing).toMatchObject({ constraint: 'age' });
    expect(missing).toBeInstanceOf(ConstraintViolation);
    for (const error of [unique, check, missing]) expectNoCanary(error);
  });

  it('shows no value of a wrong statement', async () => {
    const errors = [
      await failure(database.query('SELECT $1::text::int', [`${CANARY}x`])),
      await failure(database.query('SELECT $1::uuid', [CANARY])),
      await failure(database.query('SELECT 1 FROM nowhere WHERE a = $1', [CANARY])),
      await failure(database.query('SELECT 1/(length($1) - 16)', [CANARY])),
      await failure(database.query('SELECT $1', [circular()])),
    ];
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'INTERNAL', retriable: false });
      expectNoCanary(error);
    }
    expect(errors[2]).toMatchObject({ message: expect.stringContaining('"nowhere" does not exist') as string });
  });

  it('reports a statement timeout, a deadlock and a lost connection as retriable, without values', async () => {
    const slow = await openDatabase({
      url,
      schema: 'people',
      migrations: [People1763800000000],
      applicationName: 'spec',
      statementTimeoutMs: 50,
    });
    const errors = [await failure(slow.query('SELECT pg_sleep(5), $1::text', [CANARY]))];
    await slow.close();
    errors.push(await failure(deadlock(database)));
    errors.push(
      await failure(
        database.transaction((tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid()), $1::text', [CANARY])),
      ),
    );
    errors.push(await failure(slow.query('SELECT $1', [CANARY])));
    for (const error of errors) {
      expect(error).toBeInstanceOf(ServiceError);
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
      expectNoCanary(error);
    }
  });

  it('reports an unreachable address and a wrong password as unavailable, without showing either', async () => {
    for (const change of [(u: URL) => (u.port = '1'), (u: URL) => (u.password = CANARY)]) {
      const wrong = new URL(url);
      change(wrong);
      const options = { url: wrong.href, schema: 'people', migrations: [], applicationName: 'spec' };
      const error = await failure(openDatabase(options));
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
      expectNoCanary(error);
    }
  });

  it('is healthy when its pool has no free connection', async () => {
    const small = await open(1);
    const holder = small.transaction((tx) => tx.query('SELECT pg_sleep(5.5)'));
    const error = await failure(small.query('SELECT 1'));
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
    expect(small.healthy()).toBe(true);
    await holder;
    await small.close();
  }, 15_000);

  it('survives the loss of all its connections, idle and busy', async () => {
    await Promise.all(Array.from({ length: 5 }, () => database.query('SELECT 1')));
    const busy = failure(database.query('SELECT pg_sleep(5) /* busy */'));
    await eventually('the long statement runs', async () => (await backends('%/* busy */')) === 1);
    const other = await open(2);
    await other.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    expect(await busy).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
    await other.close();
    await eventually('the database answers', () =>
      database.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await Promise.all(Array.from({ length: 10 }, () => database.query('SELECT 1 AS n')))).toHaveLength(10);
    await eventually('the database is called healthy', () => database.healthy());
  });

  const backends = async (query: string): Promise<number> => {
    const rows = await database.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()`,
      [query],
    );
    return rows[0]?.n ?? 0;
  };
});

describe('Database when the server dies and returns', () => {
  it('is unhealthy during the outage, and continues with the same pool afterwards', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'database-spec-'));
    await chmod(dataDir, 0o755);
    // Durable, because a killed server without durability may lose acknowledged commits.
    const server = await startEmbeddedPostgres({ dataDir });
    const port = Number(new URL(server.url).port);
    const migrations = [People1763800000000];
    const database = await openDatabase({ url: server.url, schema: 'people', migrations, applicationName: 'spec' });
    process.kill(server.pid, 'SIGKILL');
    await server.exited;
    await server.close();
    await eventually('the loss is noticed', () => !database.healthy());
    expect(await failure(database.query('SELECT 1'))).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    const again = await startEmbeddedPostgres({ dataDir, port });
    await eventually('the return is noticed', () => database.healthy());
    expect(await database.query('SELECT value FROM counter')).toEqual([{ value: 0 }]);
    await database.close();
    await again.close();
    await rm(dataDir, { recursive: true });
  }, 60_000);
});

async function failure(work: Promise<unknown>): Promise<unknown> {
  const result = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (result === undefined) throw new Error('It should have failed');
  return result;
}

function expectNoCanary(error: unknown): void {
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(CANARY);
  expect(JSON.stringify(error)).not.toContain(CANARY);
}

function circular(): unknown {
  const value: { self?: unknown; pin: string } = { pin: CANARY };
  value.self = value;
  return value;
}

/** Two transactions that take two locks in opposite order; the server aborts one of them. */
async function deadlock(database: Database): Promise<void> {
  let arrived = 0;
  const take = (first: number, second: number): Promise<unknown> =>
    database.transaction(async (tx) => {
      await tx.query('SELECT pg_advisory_xact_lock($1)', [first]);
      arrived++;
      await eventually('both transactions hold their first lock', () => arrived === 2);
      await tx.query('SELECT pg_advisory_xact_lock($1)', [second]);
    });
  await Promise.all([take(91, 92), take(92, 91)]);
}
