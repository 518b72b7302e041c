import { randomUUID } from 'node:crypto';
import { createTestDatabase, deliveryTables } from '@countersign/testing';
import { type Database, openDatabase } from '../database.js';
import { PostgresDeliveries } from './deliveries.js';
import { Migration } from '../schema/migrate.js';

class Deliveries1764000000000 extends Migration {
  override readonly statements = deliveryTables('deliveries_test');
}

let database: Database;
let drop: () => Promise<void>;
let deliveries: PostgresDeliveries;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  database = await openDatabase({
    ...{ url: test.url, schema: 'deliveries_test', migrations: [Deliveries1764000000000], applicationName: 'test' },
  });
  deliveries = new PostgresDeliveries(database);
});

afterAll(async () => {
  await database.close();
  await drop();
});

const holder = (group = 'g') => ({ group, id: randomUUID() });
const partitions = (...numbers: number[]) => numbers.map((partition) => ({ topic: 't', partition, next: 0, end: 100 }));
const place = (offset: number, partition = 0) => ({ topic: 't', partition, offset });
const sorted = (found: { partition: number }[]): number[] => found.map(({ partition }) => partition).sort();

beforeEach(async () => {
  await database.query('DELETE FROM deliveries_test.partition_holders');
  await database.query('DELETE FROM deliveries_test.deliveries');
});

describe('PostgresDeliveries', () => {
  it('reports unreleased partitions to the next holder, and no others', async () => {
    const [first, second, third] = [holder(), holder(), holder()];
    expect(await deliveries.open(first, partitions(0, 1, 2))).toEqual([]);
    await deliveries.release(first, partitions(1));
    expect(sorted(await deliveries.open(second, partitions(0, 1)))).toEqual([0]);
    await deliveries.release(second, partitions(0, 1));
    expect(sorted(await deliveries.open(third, partitions(0, 1, 2)))).toEqual([2]);
  });

  it('does not report the own marks of a holder, nor marks of another group', async () => {
    const mine = holder();
    await deliveries.open(mine, partitions(0));
    expect(await deliveries.open(mine, partitions(0))).toEqual([]);
    expect(await deliveries.open(holder('other'), partitions(0))).toEqual([]);
  });

  it('keeps the mark of the new holder when the old one releases late', async () => {
    const [old, young] = [holder(), holder()];
    await deliveries.open(old, partitions(0));
    await deliveries.open(young, partitions(0));
    await deliveries.release(old, partitions(0));
    expect(sorted(await deliveries.open(holder(), partitions(0)))).toEqual([0]);
  });

  it('counts how often a record was begun and not finished', async () => {
    expect(await deliveries.begin('g', place(7))).toBe(1);
    expect(await deliveries.begin('g', place(7))).toBe(2);
    expect(await deliveries.begin('g', place(8))).toBe(1);
    await deliveries.end('g', place(7), false);
    expect(await deliveries.begin('g', place(7))).toBe(2);
    await deliveries.end('g', place(7), true);
    expect(await deliveries.begin('g', place(7))).toBe(1);
  });

  it('loses no count of concurrent begins', async () => {
    const counts = await Promise.all(Array.from({ length: 30 }, () => deliveries.begin('g', place(1))));
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
  });

  it('deletes the counts of offsets that cannot be delivered again', async () => {
    for (const offset of [4, 5, 99, 100]) await deliveries.begin('g', place(offset));
    await deliveries.open(holder(), [{ topic: 't', partition: 0, next: 5, end: 100 }]);
    const counts = await Promise.all([4, 5, 99, 100].map((offset) => deliveries.begin('g', place(offset))));
    expect(counts).toEqual([1, 2, 2, 1]);
  });
});
