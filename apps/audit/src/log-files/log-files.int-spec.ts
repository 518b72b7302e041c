import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import {
  CompactRange,
  createSignerKey,
  formatVerifierKey,
  inclusionProof,
  leafHash,
  openCheckpoint,
  parseSignerKey,
  readEntryBundle,
  rootFromTiles,
  signCheckpoint,
  TiledTree,
  tilePath,
  type TileReader,
  verifyConsistency,
  verifyInclusion,
} from '@countersign/transparency-log';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { start } from '../start.js';

const SIGNED = 70_000;
const fatal = (error: Error): never => {
  throw error;
};
const ADMIN_API_KEY = 'admin-key-of-more-than-24-characters';
const eventOf = (index: number): Buffer => Buffer.from(`event ${index}`);
const signer = parseSignerKey(createSignerKey('log.example/audit'));
const leaves = Array.from({ length: SIGNED + 300 }, (_, index) => leafHash(eventOf(index)));

describe('the files of the audit log', () => {
  const broker = new MemoryBroker();
  let service: HostedService;
  let administrator: Database;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    const test = await createTestDatabase();
    drop = () => test.drop();
    const env = {
      DATABASE_URL: test.url,
      AUDIT_PORT: '0',
      AUDIT_KEYS: `k1:${randomBytes(32).toString('base64url')}`,
      ADMIN_API_KEY,
      LOG_ORIGIN: signer.verifier.name,
      LOG_PUBLIC_KEYS: formatVerifierKey(signer.verifier),
      LOG_LEVEL: 'silent',
    };
    service = await start(env, fatal, { broker, ops: false });
    administrator = await openDatabase({
      url: test.url,
      schema: 'audit',
      migrations: AUDIT_MIGRATIONS,
      applicationName: 'test',
      as: 'administrator',
    });
  });
  afterAll(async () => {
    await Promise.all([administrator.close(), service.close()]);
    await broker.close();
    await drop();
  });

  const get = (path: string, key?: string): Promise<Response> =>
    fetch(`${service.urls['audit']}/${path}`, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } });
  const store = async (tree: TiledTree, added: readonly Buffer[]): Promise<void> => {
    for (const { level, index, width, data } of tree.append(added))
      await administrator.query(
        `INSERT INTO audit.tiles (level, tile_index, width, hashes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (level, tile_index) DO UPDATE SET width = EXCLUDED.width, hashes = EXCLUDED.hashes`,
        [level, index, width, data],
      );
  };

  it('have no checkpoint and no tiles before something was signed', async () => {
    expect((await get('checkpoint')).status).toBe(404);
    expect((await get('tile/0/000')).status).toBe(404);
  });

  it('verify from outside without a key, also when the log has grown beyond its checkpoint', async () => {
    const tree = TiledTree.empty();
    await store(tree, leaves.slice(0, SIGNED));
    const note = signCheckpoint({ size: SIGNED, root: tree.root() }, signer);
    await administrator.query(
      'INSERT INTO audit.checkpoints (size, signed_at, root, note) VALUES ($1, now(), $2, $3)',
      [SIGNED, tree.root(), note],
    );
    await store(tree, leaves.slice(SIGNED));
    // The service adds the events of readings of the log to this tree.
    await administrator.query('UPDATE audit.log_state SET size = $1, compact_range = $2, origin = $3', [
      ...[leaves.length, tree.range.serialize(), signer.verifier.name],
    ]);

    const served = await get('checkpoint');
    expect(served.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const { size, root } = openCheckpoint(await served.text(), signer.verifier);
    expect(size).toBe(SIGNED);
    const tiles: TileReader = {
      readTile: async (tile) => {
        const answer = await get(tilePath(tile));
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
        expect(answer.headers.get('cache-control')).toContain('immutable');
        return Buffer.from(await answer.arrayBuffer());
      },
    };
    expect(await rootFromTiles(size, tiles)).toEqual(root);
    for (const index of [0, 65_535, 65_536, SIGNED - 1])
      expect(verifyInclusion(index, size, leaves[index]!, await inclusionProof(index, size, tiles), root)).toBe(true);
  });

  it('have a state with the size, the last checkpoint, the keys and the differences of the tenant', async () => {
    await administrator.query(
      `INSERT INTO audit.differences (difference, key, tenant, number, counted_at, fact_id)
       VALUES ('not_logged', 'k', 'acme', 7, now(), gen_random_uuid()), ('not_published', '5', 'acme', 3, null, gen_random_uuid())`,
    );
    expect((await get('v1/log')).status).toBe(401);
    const state = (await (await get('v1/log', ADMIN_API_KEY)).json()) as Record<string, unknown>;
    expect(state).toMatchObject({
      ...{ checkpoint: { size: SIGNED }, keys: [formatVerifierKey(signer.verifier)], comparedUntil: null },
      differences: expect.arrayContaining([
        { difference: 'not_logged', count: 1 },
        { difference: 'not_published', count: 3 },
      ]) as unknown,
    });
    const { note } = state['checkpoint'] as { note: string };
    expect(openCheckpoint(note, signer.verifier).size).toBe(SIGNED);
    await administrator.query('DELETE FROM audit.differences');
  });

  it('give everybody the public key that verifies checkpoints', async () => {
    const answer = await get('vkey');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(await answer.text()).toBe(`${formatVerifierKey(signer.verifier)}\n`);
  });

  it('prove that each size up to the checkpoint continues each smaller one', async () => {
    const rootOf = (size: number): Buffer => {
      const range = CompactRange.empty();
      for (const leaf of leaves.slice(0, size)) range.append(leaf);
      return range.root();
    };
    const sizes = [1, 255, 256, 257, 65_535, 65_536, SIGNED - 1, SIGNED];
    const roots = new Map(sizes.map((size) => [size, rootOf(size)]));
    for (const [at, from] of sizes.entries())
      for (const to of sizes.slice(at)) {
        const answer = await get(`v1/log/consistency?from=${from}&to=${to}`, ADMIN_API_KEY);
        const { hashes, ...range } = (await answer.json()) as { hashes: string[]; from: number; to: number };
        expect([answer.status, range]).toEqual([200, { from, to }]);
        const proof = hashes.map((hash) => Buffer.from(hash, 'base64'));
        expect(verifyConsistency(from, to, proof, roots.get(from)!, roots.get(to)!)).toBe(true);
      }
  });

  it.each([
    ['size 0, from which every log would be consistent', `from=0&to=${SIGNED}`],
    ['a larger size first', 'from=3&to=2'],
    ['a size above the checkpoint', `from=1&to=${SIGNED + 1}`],
    ['a size that is no number', 'from=1&to=2e3'],
    ['only one size', 'from=1'],
  ])('prove no consistency of %s', async (_, query) => {
    expect((await get(`v1/log/consistency?${query}`)).status).toBe(401);
    expect((await get(`v1/log/consistency?${query}`, ADMIN_API_KEY)).status).toBe(422);
  });

  it.each([
    ['a tile that the checkpoint does not cover', 'tile/0/274.p/1'],
    ['a partial tile that is wider than the checkpoint', 'tile/0/273.p/113'],
    ['a full tile of which the checkpoint covers a part', 'tile/0/273'],
    ['another form of the path', 'tile/0/0'],
    ['a query', 'tile/0/000?x=1'],
    ['a level that does not exist', 'tile/8/000'],
  ])('refuse %s as not found', async (_, path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('give entries of all tenants to the administrator alone, and record each reading before its answer', async () => {
    await administrator.query(
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
       SELECT n, gen_random_uuid(), 'agent.created', 'tenant-' || n % 3, now(), convert_to('event ' || n, 'UTF8'), 'k', now()
       FROM generate_series(1024, 1279) AS n`,
    );
    const path = 'tile/entries/004';
    expect((await get(path)).status).toBe(401);
    expect((await get(path, 'x'.repeat(40))).status).toBe(401);
    const facts = await recorded();
    const answer = await get(path, ADMIN_API_KEY);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const { entries, isWhole } = readEntryBundle(Buffer.from(await answer.arrayBuffer()));
    expect(isWhole).toBe(true);
    expect(entries.map(String)).toEqual(Array.from({ length: 256 }, (_, at) => `event ${1_024 + at}`));
    expect(await recorded()).toBe(facts + 1);
    for (const missing of ['tile/entries/005', 'tile/entries/274.p/1', 'tile/entries/4'])
      expect((await get(missing, ADMIN_API_KEY)).status).toBe(404);
  });

  it('answer 410 for a bundle of entries that were pruned, and still give its hashes', async () => {
    // The conditions of a pruning have tests of their own.
    await administrator.query('ALTER TABLE audit.prunings DISABLE TRIGGER prunings_stated');
    await administrator.query(
      `INSERT INTO audit.shards (name, first_idx, started_at) VALUES ('2020h1', 1, '2020-01-01')`,
    );
    await administrator.query(`INSERT INTO audit.prunings (below, shard, stated_by) VALUES (1280, '2020h1', 1280)`);
    const answer = await get('tile/entries/004', ADMIN_API_KEY);
    expect([answer.status, await answer.json()]).toMatchObject([410, { type: 'urn:countersign:problem:pruned' }]);
    expect((await get('tile/entries/004')).status).toBe(401);
    expect((await get('tile/0/004')).status).toBe(200);
  });

  const recorded = async (): Promise<number> => {
    const tables = ['inbox', 'entries'].map(
      (table) => `SELECT count(*) AS count FROM audit.${table} WHERE kind = 'audit.exported'`,
    );
    const [row] = await administrator.query<{ sum: string }>(
      `SELECT sum(count)::text AS sum FROM (${tables.join(' UNION ALL ')}) AS counts`,
    );
    return Number(row?.sum);
  };
});
