import { randomBytes, randomUUID } from 'node:crypto';
import { openDatabase, Migration, type Database } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/crypto';
import { createTestDatabase, outboxTable } from '@countersign/testing';
import { countKeyUse, keyFault } from './key-use.js';
import { countToRewrap, rewrap } from './rewrap.js';
import { type WrappedColumn } from './wrapped-columns.js';

/** A table like those of the product. */
class Notes1764000400000 extends Migration {
  override readonly statements = [
    `CREATE TABLE notes.entries (owner text, n integer, version integer NOT NULL, key_id text NOT NULL,
       wrapped bytea NOT NULL, PRIMARY KEY (owner, n))`,
    ...outboxTable('notes'),
  ];
}

const COLUMN: WrappedColumn = {
  name: 'entries',
  table: 'notes.entries',
  primaryKey: { owner: 'text', n: 'integer' },
  keyIdColumn: 'key_id',
  bytesColumn: 'wrapped',
  alsoBoundTo: { version: 'version' },
  context: ({ owner, n, version }) => [String(owner), String(n), String(version)],
};
const columns = [COLUMN];
const key = (): string => randomBytes(32).toString('base64url');
const ring = (...entries: string[]): Keyring => new Keyring(new Secret(entries.join(',')));
const [k1, k2] = [`k1:${key()}`, `k2:${key()}`];

let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  database = await openDatabase({
    url: test.url,
    schema: 'notes',
    migrations: [Notes1764000400000],
    as: 'administrator',
    applicationName: 'test',
  });
});

afterAll(async () => {
  await database.close();
  await drop();
});

beforeEach(() => database.query('TRUNCATE notes.entries, notes.outbox'));

async function write(keyring: Keyring, owner: string, n: number, version = 1): Promise<void> {
  const { keyId, bytes } = keyring.wrap(`${owner}${n}`, [owner, String(n), String(version)]);
  await database.query(
    `INSERT INTO notes.entries VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (owner, n) DO UPDATE SET version = $3, key_id = $4, wrapped = $5`,
    [owner, n, version, keyId, bytes],
  );
}

async function readAll(keyring: Keyring): Promise<string[]> {
  const rows = await database.query<{ owner: string; n: number; version: number; key_id: string; wrapped: Buffer }>(
    'SELECT * FROM notes.entries ORDER BY owner, n',
  );
  return rows.map((row) => keyring.unwrap({ keyId: row.key_id, bytes: row.wrapped }, COLUMN.context({ ...row })));
}

describe('rewrap', () => {
  it('encrypts every row under the first key, so the old key can be removed, and records an event', async () => {
    for (let n = 0; n < 23; n++) await write(ring(k1), n % 2 === 0 ? 'ann' : 'bob', n);
    const before = await readAll(ring(k1));
    const both = ring(k2, k1);
    expect(await countToRewrap({ database, keyring: both, columns })).toBe(23);
    let handled = 0;
    const options = {
      database,
      keyring: both,
      columns,
      batch: 5,
      onProgress: (rows: number) => void (handled += rows),
    };
    expect(await rewrap(options)).toEqual([{ column: 'entries', rewrapped: 23, broken: 0 }]);
    expect(handled).toBe(23);
    expect(await readAll(ring(k2))).toEqual(before);
    expect(await countKeyUse(database, columns)).toEqual([{ column: 'entries', keyId: 'k2', rows: 23 }]);
    const [fact] = await database.query<{ payload: string }>('SELECT payload FROM notes.outbox');
    expect(JSON.parse(fact?.payload ?? '{}')).toMatchObject({
      kind: 'key.rotated',
      tenant: '_installation',
      detail: { key: 'k2', entries: 23, broken: 0 },
    });
    expect(await rewrap(options)).toEqual([{ column: 'entries', rewrapped: 0, broken: 0 }]);
  });

  it('continues after a run that was interrupted', async () => {
    for (let n = 0; n < 20; n++) await write(ring(k1), 'ann', n);
    const interrupted = new Error('interrupted');
    const onProgress = (): never => {
      throw interrupted;
    };
    const keyring = ring(k2, k1);
    await expect(rewrap({ database, keyring, columns, batch: 6, onProgress })).rejects.toBe(interrupted);
    expect(await readAll(keyring)).toHaveLength(20);
    expect(await rewrap({ database, keyring, columns })).toEqual([{ column: 'entries', rewrapped: 14, broken: 0 }]);
  });

  it('keeps concurrent enrolments, under whichever key they were made', async () => {
    for (let n = 0; n < 40; n++) await write(ring(k1), 'ann', n);
    const keyring = ring(k2, k1);
    const writing = (async () => {
      for (let round = 2; round < 6; round++) {
        for (let n = 0; n < 40; n++) await write(round % 2 === 0 ? ring(k1) : keyring, 'ann', n, round);
      }
    })();
    await Promise.all([writing, rewrap({ database, keyring, columns, batch: 3 })]);
    await rewrap({ database, keyring, columns });
    const versions = await database.query('SELECT DISTINCT version, key_id FROM notes.entries');
    expect(versions).toEqual([{ version: 5, key_id: 'k2' }]);
    expect(await readAll(ring(k2))).toHaveLength(40);
  });

  it('does not change rows that cannot be decrypted, and counts them', async () => {
    for (let n = 0; n < 4; n++) await write(ring(k1), 'ann', n);
    await database.query('UPDATE notes.entries SET version = 9 WHERE n = 2');
    expect(await rewrap({ database, keyring: ring(k2, k1), columns })).toEqual([
      { column: 'entries', rewrapped: 3, broken: 1 },
    ]);
    expect(await countKeyUse(database, columns)).toEqual([
      { column: 'entries', keyId: 'k1', rows: 1 },
      { column: 'entries', keyId: 'k2', rows: 3 },
    ]);
  });
});

describe('a keyring at the start', () => {
  it('is accepted if it decrypts the stored rows, or if there are none', async () => {
    expect(await keyFault(database, ring(k2), columns)).toBeUndefined();
    await write(ring(k1), 'ann', 1);
    await write(ring(k2), 'ann', 2);
    expect(await keyFault(database, ring(k2, k1), columns)).toBeUndefined();
  });

  it('is refused without a key that is in use, and the fault names the id of that key', async () => {
    await write(ring(k1), 'ann', 1);
    await write(ring(k2), randomUUID(), 2);
    expect(await keyFault(database, ring(k2), columns)).toMatch(/the key k1, which rows of notes\.entries need/);
  });

  it('is refused with other bytes under an id that is in use, and the fault does not contain them', async () => {
    await write(ring(k1), 'ann', 1);
    const other = key();
    const fault = await keyFault(database, ring(`k1:${other}`), columns);
    expect(fault).toMatch(/the key k1 as it was/);
    expect(fault).not.toContain(other);
  });

  it('is not refused because of single altered rows', async () => {
    for (let n = 0; n < 3; n++) await write(ring(k1), 'ann', n);
    await database.query('UPDATE notes.entries SET version = 9 WHERE n = 1');
    expect(await keyFault(database, ring(k1), columns)).toBeUndefined();
  });
});
