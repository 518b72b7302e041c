import { createTestDatabase, tenantRows } from '@countersign/testing';
import { Client } from 'pg';
import { Migration, openDatabase, type Database } from './index.js';

class Rooms1763800000000 extends Migration {
  readonly statements = [
    'CREATE TABLE rooms.keys (tenant text, name text, PRIMARY KEY (tenant, name))',
    'CREATE TABLE rooms.uses (tenant text, name text, FOREIGN KEY (tenant, name) REFERENCES rooms.keys ON DELETE CASCADE ON UPDATE CASCADE)',
    ...tenantRows('rooms', ['keys', 'uses']),
    `INSERT INTO rooms.keys SELECT t, n FROM unnest('{acme,umbrella}'::text[]) t, unnest('{front,back}'::text[]) n`,
    'INSERT INTO rooms.uses SELECT * FROM rooms.keys',
  ];
}
class Cellar1763800000000 extends Migration {
  readonly statements = ['CREATE TABLE cellar.wine (name text)', `INSERT INTO cellar.wine VALUES ('red')`];
}
class Rewritten1763800000001 extends Migration {
  readonly statements = [`UPDATE rooms.keys SET name = upper(name) WHERE name = 'back'`];
}

describe('rows of tenants', () => {
  let url: string;
  let drop: () => Promise<void>;
  let rooms: Database;
  let cellar: Database;
  let admin: Client;
  const applicationName = 'spec';

  beforeEach(async () => {
    ({ url, drop } = await createTestDatabase());
    rooms = await openDatabase({
      url,
      schema: 'rooms',
      migrations: [Rooms1763800000000],
      applicationName,
      poolSize: 2,
    });
    cellar = await openDatabase({ url, schema: 'cellar', migrations: [Cellar1763800000000], applicationName });
    admin = new Client({ connectionString: url });
    await admin.connect();
  });
  afterEach(async () => {
    await Promise.all([rooms.close(), cellar.close(), admin.end()]);
    await drop();
  });

  const KEYS = 'SELECT tenant, name FROM rooms.keys ORDER BY 1, 2';
  const both = (tenant: string): object[] => ['back', 'front'].map((name) => ({ tenant, name }));
  const denied = { code: 'INTERNAL', message: expect.stringContaining('42501') as string };

  it('are neither visible to nor writable by a statement that names no tenant', async () => {
    expect(await rooms.query(KEYS)).toEqual([]);
    expect(await rooms.transaction((tx) => tx.query(KEYS))).toEqual([]);
    expect(await rooms.forTenants([]).query(KEYS)).toEqual([]);
    expect(await rooms.query('DELETE FROM rooms.keys RETURNING 1')).toEqual([]);
    await expect(rooms.query(`INSERT INTO rooms.keys VALUES ('acme', 'new')`)).rejects.toMatchObject(denied);
  });

  it.each([
    ['was rolled back', `SELECT 1 / 0`],
    ['failed in its commit', `INSERT INTO rooms.uses VALUES ('acme', 'front')`],
  ])('are those of the tenants that a statement names after a transaction %s', async (_, statement) => {
    await admin.query('ALTER TABLE rooms.uses ADD UNIQUE (tenant, name) DEFERRABLE INITIALLY DEFERRED');
    const [acme, umbrella] = [rooms.forTenants(['acme']), rooms.forTenants(['umbrella'])];
    expect(await umbrella.query(KEYS)).toEqual(both('umbrella'));
    await expect(acme.transaction((tx) => tx.query(statement))).rejects.toThrow();
    expect(await acme.query(KEYS)).toEqual(both('acme'));
    expect(await umbrella.transaction((tx) => tx.query(KEYS))).toEqual(both('umbrella'));
  });

  it('are visible and writable only for statements of their tenant', async () => {
    const acme = rooms.forTenants(['acme']);
    expect(await acme.query(KEYS)).toEqual(both('acme'));
    expect(await acme.prepared('spec.keys', KEYS)).toEqual(both('acme'));
    expect(await acme.transaction((tx) => tx.query(KEYS))).toEqual(both('acme'));
    expect(await acme.query(`UPDATE rooms.keys SET name = 'x' WHERE tenant = 'umbrella' RETURNING 1`)).toEqual([]);
    expect(await acme.query(`DELETE FROM rooms.keys WHERE tenant = 'umbrella' RETURNING 1`)).toEqual([]);
    await expect(acme.query(`INSERT INTO rooms.keys VALUES ('umbrella', 'new')`)).rejects.toMatchObject(denied);
    await expect(acme.query(`UPDATE rooms.keys SET tenant = 'umbrella'`)).rejects.toMatchObject(denied);
    expect(await rooms.forTenants(['umbrella']).query(KEYS)).toEqual(both('umbrella'));
  });

  it('are visible for each tenant that a statement names, and all of them for maintenance', async () => {
    const all = [...both('acme'), ...both('umbrella')];
    expect(await rooms.forTenants(['umbrella', 'acme', 'acme']).query(KEYS)).toEqual(all);
    expect(await rooms.forAllTenants().query(KEYS)).toEqual(all);
  });

  it('stay separate on connections that alternate between tenants, and after an error', async () => {
    const of = (tenant: string): Promise<object[]> => rooms.forTenants([tenant]).query(KEYS);
    const turns = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? 'acme' : 'umbrella'));
    expect(await Promise.all(turns.map(of))).toEqual(turns.map(both));
    const failing = rooms.forTenants(['acme']).transaction((tx) => tx.query('SELECT 1 / 0'));
    await expect(failing).rejects.toThrow();
    expect(await Promise.all([rooms.query(KEYS), of('umbrella')])).toEqual([[], both('umbrella')]);
  });

  it('cannot be reached with a name that contains the separator', async () => {
    expect(await rooms.forTenants(['*']).query(KEYS)).toEqual([]);
    expect(() => rooms.forTenants(['x\x1facme'])).toThrow('control character');
  });

  it('are deleted with the row they refer to, and are all visible to a migration and an administrator', async () => {
    await rooms.forTenants(['acme']).query('DELETE FROM rooms.keys');
    const migrations = [Rooms1763800000000, Rewritten1763800000001];
    const later = await openDatabase({ url, schema: 'rooms', migrations, applicationName });
    expect(await later.forAllTenants().query(KEYS)).toHaveLength(2);
    await later.close();
    const person = await openDatabase({
      ...{ url, schema: 'rooms', migrations: 'none', applicationName },
      as: 'administrator',
    });
    expect(await person.query('SELECT * FROM rooms.uses ORDER BY name')).toEqual([
      { tenant: 'umbrella', name: 'BACK' },
      { tenant: 'umbrella', name: 'front' },
    ]);
    await person.close();
  });

  it('are all that a service may use: no other schema, no DDL, no TRUNCATE, no table of migrations', async () => {
    expect(rooms.role).toBe('countersign_rooms');
    for (const statement of [
      'SELECT * FROM cellar.wine',
      `INSERT INTO cellar.wine VALUES ('white')`,
      'ALTER TABLE rooms.keys DISABLE ROW LEVEL SECURITY',
      'DROP POLICY tenant_rows ON rooms.keys',
      'CREATE TABLE rooms.more (n int)',
      'TRUNCATE rooms.keys CASCADE',
      'DELETE FROM rooms.migrations',
      `SELECT pg_read_file('postgresql.conf')`,
    ]) {
      await expect(rooms.forAllTenants().query(statement)).rejects.toMatchObject(denied);
    }
    expect(await cellar.query('SELECT name FROM cellar.wine')).toEqual([{ name: 'red' }]);
    await expect(cellar.query('SELECT * FROM rooms.keys')).rejects.toMatchObject(denied);
  });

  it.each([
    ['cannot create roles, and then works with its own rights', 'attic', '', undefined],
    ['can create roles', 'loft', 'CREATEROLE', 'countersign_loft'],
    ['is a member of the role that was created for it', 'roof', 'IN ROLE countersign_roof', 'countersign_roof'],
  ])('are separated for a login that owns its schema and %s', async (_, schema, options, role) => {
    const login = `${schema}_${process.pid}`;
    if (options.startsWith('IN ROLE')) await admin.query(`CREATE ROLE ${role} NOLOGIN`);
    await admin.query(`CREATE ROLE ${login} LOGIN PASSWORD 'owner' ${options}`);
    await admin.query(`CREATE SCHEMA ${schema} AUTHORIZATION ${login}`);
    class Boxes1763800000000 extends Migration {
      readonly statements = [
        'CREATE TABLE boxes (tenant text)',
        `INSERT INTO boxes VALUES ('acme'), ('umbrella')`,
        ...tenantRows(schema, ['boxes']),
      ];
    }
    const limited = new URL(url);
    limited.username = login;
    limited.password = 'owner';
    const database = await openDatabase({
      ...{ url: limited.href, schema, migrations: [Boxes1763800000000], applicationName },
    });
    try {
      expect(database.role).toBe(role);
      expect(await database.query('SELECT current_user AS who')).toEqual([{ who: role ?? login }]);
      expect(await database.query('SELECT * FROM boxes')).toEqual([]);
      expect(await database.forTenants(['acme']).query('SELECT * FROM boxes')).toEqual([{ tenant: 'acme' }]);
      await expect(database.query('SELECT * FROM rooms.keys')).rejects.toMatchObject(denied);
    } finally {
      await database.close();
      await admin.query(`DROP OWNED BY ${login} CASCADE`);
      if (role !== undefined) await admin.query(`DROP ROLE ${role}`);
      await admin.query(`DROP ROLE ${login}`);
    }
  });
});
