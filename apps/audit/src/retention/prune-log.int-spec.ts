import { randomUUID } from 'node:crypto';
import { v5 as uuidFrom } from 'uuid';
import { type FactRecorded } from '@countersign/contracts';
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  rootFromTiles,
  verifyConsistency,
  verifyInclusion,
} from '@countersign/transparency-log';
import { type Database } from '@countersign/persistence';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { PostgresLogSequencer } from '../log/log-sequencer.store.js';
import { PostgresTiles } from '../log/tiles.store.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { PostgresEventLog } from '../search/event-log.store.js';
import { RecordFact } from '../trail/record-fact.use-case.js';
import { PostgresAuditTrail } from '../trail/audit-trail.store.js';
import { PostgresOldEntries } from './old-entries.store.js';
import { PruneLog } from './prune-log.use-case.js';

/** Shard 2020h1 has the entries 0 to 599, and 2020h2 those after it. */
const [NEXT_SHARD, SIZE] = [600, 900];
/** The bundle of 512 to 767 has entries of both. */
const BELOW = 512;

let bed: LogBed;

/** A copy of the service that has just started. Only the tables have a state, as after SIGKILL. */
const startedOn = (database: Database, days = 365): PruneLog => {
  const own = new RecordFact(
    new PostgresAuditTrail(new PostgresLogSequencer(database, TEST_ORIGIN)),
    new SealPersonalData(new FakePersonalDataVault()),
    '1.8.0',
  );
  const record = async (facts: readonly FactRecorded[]): Promise<void> => {
    for (const fact of facts) await own.record(fact);
  };
  return new PruneLog(new PostgresOldEntries(database), record, days);
};
const sequence = (): Promise<unknown> => new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(5_000);
/** Stores a checkpoint of the last tree head, and publishes every entry. */
const sign = async (): Promise<void> => {
  await bed.administrator.query(`INSERT INTO audit.checkpoints (size, signed_at, root, note)
    SELECT size, now(), root, 'note' FROM audit.tree_heads ORDER BY size DESC LIMIT 1`);
  await bed.administrator.query('UPDATE audit.publish_cursor SET next_idx = (SELECT size FROM audit.log_state)');
};
const head = async (): Promise<{ size: number; root: Buffer }> => {
  const [row] = await bed.administrator.query<{ size: string; root: Buffer }>(
    'SELECT size, root FROM audit.tree_heads ORDER BY size DESC LIMIT 1',
  );
  return { size: Number(row!.size), root: row!.root };
};
const indexes = async (kind = '%'): Promise<number[]> => {
  const rows = await bed.administrator.query<{ idx: string }>(
    'SELECT idx FROM audit.entries WHERE kind LIKE $1 ORDER BY idx',
    [kind],
  );
  return rows.map(({ idx }) => Number(idx));
};
/** One step by two copies that have just started. */
const prune = async (days?: number): Promise<void> => {
  const copies = [bed.service, await bed.openCopy()];
  await Promise.all(copies.map((database) => startedOn(database, days).prune()));
};

beforeEach(async () => {
  bed = await openLogBed();
  await bed.administrator.query(
    `INSERT INTO audit.inbox (event_id, kind, tenant, subject, time, value, partition_key, recorded_at)
     SELECT gen_random_uuid(), CASE WHEN n IN (0, $1) THEN 'log.shard_started' ELSE 'attempt.decided' END, 'acme', 'alice',
       '2020-01-01', convert_to('event ' || n, 'UTF8'), 'k', '2020-01-01'::timestamptz + n * interval '8 hours'
     FROM generate_series(0, $2::int - 1) AS n ORDER BY n`,
    [NEXT_SHARD, SIZE],
  );
  await sequence();
  await bed.administrator.query(
    `INSERT INTO audit.shards (name, first_idx, started_at) VALUES ('2020h1', 0, '2020-01-01'), ('2020h2', $1, '2020-07-01')`,
    [NEXT_SHARD],
  );
});
afterEach(() => bed.close());

describe('pruning', () => {
  it('states the range, waits until a checkpoint covers that, removes whole bundles, and every proof still verifies', async () => {
    await sign();
    const tiles = new PostgresTiles(bed.service);
    const before = await head();
    const [removed] = (
      await bed.administrator.query<{ event_id: string }>('SELECT event_id FROM audit.entries WHERE idx = 0')
    ).map((row) => row.event_id);
    const receipt = await inclusionProof(NEXT_SHARD, SIZE, tiles);

    for (let round = 0; round < 2; round++) await prune();
    await sequence();
    await prune();
    expect(await indexes('log.pruned')).toEqual([SIZE]);
    expect(await indexes()).toHaveLength(SIZE + 1);

    await sign();
    for (let round = 0; round < 2; round++) await prune();
    expect(await indexes()).toEqual(Array.from({ length: SIZE + 1 - BELOW }, (_, at) => BELOW + at));
    const [statement] = await bed.administrator.query<{ value: Buffer }>(
      `SELECT value FROM audit.entries WHERE kind = 'log.pruned'`,
    );
    const detail = { shard: '2020h1', from: 0, to: BELOW - 1, size: SIZE, root: before.root.toString('base64') };
    expect(JSON.parse(statement!.value.toString())).toMatchObject({ unmapped: { detail } });

    const search = new PostgresEventLog(bed.service);
    const first = await search.page('acme', { from: '2020-01-01' }, { order: 'asc', cursor: 3, limit: 1 });
    expect(first.map(({ index }) => index)).toEqual([BELOW]);
    expect(await search.event('acme', removed!)).toBeUndefined();

    const after = await head();
    expect(await rootFromTiles(after.size, tiles)).toEqual(after.root);
    const leaf = leafHash(Buffer.from(`event ${NEXT_SHARD}`));
    expect(verifyInclusion(NEXT_SHARD, SIZE, leaf, receipt, before.root)).toBe(true);
    const proof = await inclusionProof(0, after.size, tiles);
    expect(verifyInclusion(0, after.size, leafHash(Buffer.from('event 0')), proof, after.root)).toBe(true);
    const consistency = await consistencyProof(SIZE, after.size, tiles);
    expect(verifyConsistency(SIZE, after.size, consistency, before.root, after.root)).toBe(true);
  });

  it('continues when a forged fact already has the id of version 5 of its statement', async () => {
    const id = uuidFrom(`log.pruned ${BELOW}`, '7d3b7b0e-9a1c-4c57-8f0a-5e2f9a6d1c44');
    await bed.administrator.query(
      `INSERT INTO audit.inbox (event_id, kind, tenant, time, value, partition_key)
       VALUES ($1, 'key.rotated', 'acme', now(), 'forged', 'k')`,
      [id],
    );
    await sequence();
    await sign();
    await prune();
    await sequence();
    await sign();
    for (let round = 0; round < 2; round++) await prune();
    expect(await indexes('log.pruned')).toEqual([SIZE + 1]);
    expect((await indexes())[0]).toBe(BELOW);
  });

  it('removes nothing while the end of the shard is younger than the retention, and nothing without a signer', async () => {
    await prune();
    await sign();
    await prune(36_500);
    await sequence();
    expect(await indexes('log.pruned')).toEqual([]);
    expect(await indexes()).toHaveLength(SIZE);
  });
});

describe('the database', () => {
  const permit = 'INSERT INTO audit.prunings (below, shard, stated_by) VALUES';

  it('refuses each removal that no covered entry of the log states, also to the owner of the tables', async () => {
    await sign();
    await prune();
    await sequence();
    const refuses = async (...statements: string[]): Promise<void> => {
      for (const statement of statements)
        for (const database of [bed.service.forAllTenants(), bed.administrator])
          await expect(database.query(statement)).rejects.toThrow();
    };
    // No checkpoint covers the statement yet.
    await refuses('DELETE FROM audit.entries WHERE idx = 0', `${permit} (512, '2020h1', ${SIZE})`);
    // One of another tree.
    await bed.administrator.query(`INSERT INTO audit.checkpoints (size, signed_at, root, note)
      SELECT size, now(), sha256(root), 'note' FROM audit.tree_heads WHERE size = ${SIZE + 1}`);
    await refuses(`${permit} (512, '2020h1', ${SIZE})`);
    await sign();
    await refuses(
      `${permit} (768, '2020h1', ${SIZE})`,
      `${permit} (256, '2020h1', ${SIZE})`,
      `${permit} (512, '2020h2', ${SIZE})`,
      `${permit} (512, '2020h1', 700)`,
    );
    // A statement that is in the table and not in the tiles.
    const forged = JSON.stringify({ unmapped: { detail: { shard: '2020h1', from: 0, to: 767 } } });
    await bed.administrator.query(
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
       VALUES ($1, $2, 'log.pruned', '_installation', now(), $3, 'k', now())`,
      [SIZE + 1, randomUUID(), Buffer.from(forged)],
    );
    await refuses(`${permit} (768, '2020h1', ${SIZE + 1})`, 'DELETE FROM audit.entries WHERE idx = 0');

    await bed.service.forAllTenants().query(`${permit} (512, '2020h1', ${SIZE})`);
    await refuses(
      'DELETE FROM audit.entries WHERE idx = 512',
      'UPDATE audit.entries SET value = sha256(value) WHERE idx = 0',
      'TRUNCATE audit.entries',
      'DELETE FROM audit.tiles WHERE tile_index = 0',
      ...['shards SET name = name', 'prunings SET shard = shard'].map((update) => `UPDATE audit.${update}`),
      ...['shards', 'prunings'].flatMap((table) => [`DELETE FROM audit.${table}`, `TRUNCATE audit.${table} CASCADE`]),
    );
    expect(await indexes()).toHaveLength(SIZE + 2);
  });

  it('refuses to remove an entry of the last 30 days, whatever the log states', async () => {
    await bed.administrator.query('ALTER TABLE audit.prunings DISABLE TRIGGER prunings_stated');
    await bed.administrator.query(
      `INSERT INTO audit.inbox (event_id, kind, tenant, time, value, partition_key)
       SELECT gen_random_uuid(), 'attempt.decided', 'acme', now(), 'young', 'k' FROM generate_series(1, 200)`,
    );
    await sequence();
    await bed.administrator.query(`${permit} (1024, '2020h1', 1024)`);
    await expect(bed.service.forAllTenants().query(`DELETE FROM audit.entries WHERE idx = ${SIZE}`)).rejects.toThrow();
    await bed.service.forAllTenants().query(`DELETE FROM audit.entries WHERE idx < ${SIZE}`);
    expect(await indexes()).toHaveLength(200);
  });
});
