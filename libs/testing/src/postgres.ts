import { randomBytes } from 'node:crypto';
import { mkdtemp, chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/persistence';
import { Client } from 'pg';

/** A PostgreSQL server for tests. */
export interface TestPostgres {
  /** Connects as superuser. */
  readonly url: string;
  readonly pid: number;
  /** Ends the server at once, as a crash does; its data stays. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on its old port and data. */
  restart(): Promise<void>;
  /** Stops the server and removes its folder. */
  close(): Promise<void>;
}

export interface TestPostgresOptions {
  /** True: what was committed survives a kill, as in service. Default: fast, and not durable. */
  readonly durable?: boolean;
}

/** Starts a server of its own in a temporary folder. */
export async function startPostgres({ durable = false }: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-postgres-'));
  // The account under which the server runs must be able to enter.
  await chmod(folder, 0o755);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    let server = await startEmbeddedPostgres({ dataDir: folder, durable });
    const port = Number(new URL(server.url).port);
    return {
      url: server.url,
      get pid() {
        return server.pid;
      },
      kill: async () => {
        process.kill(server.pid, 'SIGKILL');
        await server.close();
      },
      restart: async () => {
        server = await startEmbeddedPostgres({ dataDir: folder, durable, port });
      },
      close: () => server.close().finally(remove),
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Makes an empty database, for one suite: suites run side by side and share nothing.
 * @param baseUrl a superuser's; by default what `npm test` has put into TEST_DATABASE_URL
 */
export async function createTestDatabase(
  baseUrl: string | undefined = process.env['TEST_DATABASE_URL'],
): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  if (baseUrl === undefined) {
    throw new Error('TEST_DATABASE_URL is not set: run the tests with npm test, or set it to the url of a superuser');
  }
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(baseUrl, `CREATE DATABASE ${name}`);
  const url = new URL(baseUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(baseUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
