import { inspect } from 'node:util';
import { Secret } from '@countersign/crypto';
import { startPostgres, TestAuthority, type TestPostgres } from '@countersign/testing';
import { type DatabaseTls } from './connection.js';
import { openDatabase } from './database.js';
import { Migration } from './schema/migrate.js';

class Empty1763800000000 extends Migration {
  readonly statements = ['CREATE TABLE one (id integer)'];
}

describe('openDatabase with a server that demands TLS', () => {
  let authority: TestAuthority;
  let server: TestPostgres;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    server = await startPostgres({ authority });
  });
  afterAll(() => server.close());

  const open = async (url: string, tls: DatabaseTls, schema: string): Promise<unknown> => {
    const database = await openDatabase({
      url,
      tls,
      schema,
      migrations: [Empty1763800000000],
      applicationName: 'spec',
      // A service role cannot see the TLS state of its session.
      as: 'administrator',
    });
    const sql = 'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
    return database.query(sql).finally(() => database.close());
  };
  const refused = async (url: string, tls: DatabaseTls): Promise<string> => {
    const error = await open(url, tls, 'refused').then(
      () => Promise.reject(new Error('it was let in')),
      (fault: unknown) => fault as Error,
    );
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: false });
    const password = new URL(url).password;
    expect(`${error.message} ${inspect(error, { depth: 10, showHidden: true })}`).not.toContain(password);
    return error.message;
  };
  const at = (change: (url: URL) => void): string => {
    const url = new URL(server.url);
    change(url);
    return url.href;
  };

  it.each(['require', 'verify-ca', 'verify-full'])('migrates and queries over TLS with sslmode=%s', async (mode) => {
    const url = at(({ searchParams }) => searchParams.set('sslmode', mode));
    const schema = mode.replace('-', '_');
    expect(await open(url, { ca: authority.pem }, schema)).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
  });

  it.each(['require', 'verify-full'])('rejects a certificate of another authority with sslmode=%s', async (mode) => {
    const url = at(({ searchParams }) => searchParams.set('sslmode', mode));
    const other = await TestAuthority.create();
    expect(await refused(url, { ca: other.pem })).toContain('DATABASE_CA');
    expect(await refused(url, {})).toContain('DATABASE_CA');
  });

  it.each(['require', 'verify-ca', 'verify-full'])(
    'rejects a certificate for another host with sslmode=%s',
    async (mode) => {
      const url = at((changed) => {
        changed.hostname = 'localhost';
        changed.searchParams.set('sslmode', mode);
      });
      expect(await refused(url, { ca: authority.pem })).toMatch(/another host.*DATABASE_URL/);
    },
  );

  it('names the missing parameter when it connects without TLS', async () => {
    const url = at(({ searchParams }) => searchParams.delete('sslmode'));
    expect(await refused(url, {})).toContain('sslmode=verify-full');
  });

  it('reports a server without TLS as such', async () => {
    const plain = await startPostgres();
    try {
      expect(await refused(`${plain.url}?sslmode=verify-full`, { ca: authority.pem })).toContain('offers no TLS');
    } finally {
      await plain.close();
    }
  });

  it('connects only with a client certificate of the authority when the server demands one', async () => {
    const careful = await startPostgres({ authority, clientCertificates: true });
    try {
      const { cert, key } = await authority.issue('service');
      const client = { cert, key: new Secret(key) };
      const rows = await open(careful.url, { ca: authority.pem, client }, 'shown');
      expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
      await refused(careful.url, { ca: authority.pem });
    } finally {
      await careful.close();
    }
  });
});
