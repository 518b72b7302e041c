import { randomBytes } from 'node:crypto';
import { mkdtemp, chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectionOf, type DatabaseTls } from '@countersign/persistence';
import { startEmbeddedPostgres, type ServerTls } from '@countersign/embedded-postgres';
import { Client } from 'pg';
import { type TestAuthority } from './certificates.js';

/** A PostgreSQL server for tests. */
export interface TestPostgres {
  /** Connects as superuser. */
  readonly url: string;
  readonly pid: number;
  /** Kills the server, as in a crash. Its data remains. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, with the same port and data. */
  restart(): Promise<void>;
  /** Stops the server and removes its folder. */
  close(): Promise<void>;
}

export interface PostgresOptions {
  /** True: committed data survives a kill, as in production. Default: fast, and not durable. */
  readonly durable?: boolean;
  /** Signs the server's certificate, which is valid for 127.0.0.1 only. Clients must use TLS then. */
  readonly authority?: TestAuthority;
  /** Clients must also present a certificate of the authority. */
  readonly clientCertificates?: boolean;
}

/** Starts a server of its own in a temporary folder. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-postgres-'));
  // The account under which the server runs must be able to enter.
  await chmod(folder, 0o755);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const settings = { dataDir: folder, durable: options.durable ?? false, ...(await serverTls(options)) };
    let server = await startEmbeddedPostgres(settings);
    const port = Number(new URL(server.url).port);
    return {
      url: options.authority ? `${server.url}?sslmode=verify-full` : server.url,
      get pid() {
        return server.pid;
      },
      kill: async () => {
        process.kill(server.pid, 'SIGKILL');
        await server.close();
      },
      restart: async () => {
        server = await startEmbeddedPostgres({ ...settings, port });
      },
      close: () => server.close().finally(remove),
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function serverTls({ authority, clientCertificates }: PostgresOptions): Promise<{ tls?: ServerTls }> {
  if (authority === undefined) return {};
  const certificate = await authority.issue('postgres', ['127.0.0.1']);
  return { tls: { ...certificate, ...(clientCertificates === true ? { clientCa: authority.pem } : {}) } };
}

/**
 * Creates an empty database for one suite. Suites run at the same time and share no database.
 * @param baseUrl the URL of a superuser; by default TEST_DATABASE_URL, which `npm test` sets
 * @param tls certificates, when the URL requires TLS
 */
export async function createTestDatabase(
  baseUrl: string | undefined = process.env['TEST_DATABASE_URL'],
  tls: DatabaseTls = {},
): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  if (baseUrl === undefined) {
    throw new Error('TEST_DATABASE_URL is not set: run the tests with npm test, or set it to the url of a superuser');
  }
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(baseUrl, tls, `CREATE DATABASE ${name}`);
  const url = new URL(baseUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(baseUrl, tls, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function administer(url: string, tls: DatabaseTls, statement: string): Promise<void> {
  const connection = connectionOf(url, tls);
  const client = new Client({ connectionString: connection.url, ssl: connection.ssl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
