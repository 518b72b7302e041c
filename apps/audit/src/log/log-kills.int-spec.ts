import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CompactRange, rootFromTiles, tilesOfGrowth } from '@countersign/transparency-log';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { PostgresTiles } from './tiles.store.js';

/** How often each point is reached before the process dies there: `LOG_KILL_HITS=1,2,3` is the long form. */
const HITS = (process.env['LOG_KILL_HITS'] ?? '2').split(',').map(Number);
/** Facts for three batches. */
const FACTS = 60;
const CHILD = join(process.cwd(), 'build', 'apps', 'audit', 'test', 'log-process.js');
const KILL_POINTS = pathToFileURL(join(process.cwd(), 'test', 'invariants', 'kill-points.mjs')).href;

describe('the sequencer and the publisher of the audit log', () => {
  let bed: LogBed;
  let folder: string;
  const facts: string[] = [];

  beforeAll(async () => {
    [bed, folder] = await Promise.all([openLogBed(), mkdtemp(join(tmpdir(), 'countersign-log-kills-'))]);
  });
  afterAll(async () => {
    await bed.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Adds facts, and runs the process on them. @returns how it ended */
  const run = async (env: Readonly<Record<string, string>>, count: number): Promise<string> => {
    const added = Array.from({ length: count }, () => trailEntry());
    const lines = added.map((entry) => `${JSON.stringify({ ...entry, value: entry.value.toString() })}\n`);
    await appendFile(join(folder, 'facts'), lines.join(''));
    facts.push(...added.map(({ value }) => value.toString()));
    const args = ['--import', KILL_POINTS, CHILD, bed.url, folder, TEST_ORIGIN];
    args.push(env['KILL_AT'] ?? '', env['KILL_LIST'] ?? '');
    const child = spawn(process.execPath, args, {
      ...{ stdio: ['ignore', 'inherit', 'inherit'], env: { PATH: process.env['PATH'] ?? '', ...env } },
    });
    return new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? String(code))));
  };

  it('lose, double, reorder and fork nothing when they are killed at any point', async () => {
    expect(await run({ KILL_LIST: join(folder, 'points') }, FACTS)).toBe('0');
    const reached = (await readFile(join(folder, 'points'), 'utf8')).trim().split('\n');
    // What is reached in each batch; the rest belongs to the start.
    const points = [...new Set(reached)].filter((point) => reached.filter((other) => other === point).length >= 3);
    expect(points).toEqual(
      expect.arrayContaining([
        ...['sql audit.log.move', 'sql audit.log.grow', 'sql COMMIT of audit.log.grow', 'publish'],
        'sql UPDATE audit.publish_cursor SET next_idx',
      ]),
    );
    const ends: string[] = [];
    for (const point of points)
      for (const when of ['before', 'after'])
        for (const hit of HITS) ends.push(await run({ KILL_AT: `${when}:${hit}:${point}` }, FACTS));
    expect(ends).toEqual(ends.map(() => 'SIGKILL'));
    expect(await run({}, 0)).toBe('0');

    // Every fact has one entry, and there is no gap.
    const values = (await bed.values()).map(String);
    expect(values.toSorted()).toEqual(facts.toSorted());
    // Each head is of a prefix of the same entries.
    const heads = await bed.administrator.query<{ size: string; root: Buffer }>(
      'SELECT size, root FROM audit.tree_heads ORDER BY size',
    );
    const range = CompactRange.empty();
    const leaves = await bed.leaves();
    for (const { size, root } of heads) {
      for (const leaf of leaves.slice(range.end, Number(size))) range.append(leaf);
      expect([range.end, range.root()]).toEqual([Number(size), root]);
    }
    expect(range.end).toBe(values.length);
    expect(await rootFromTiles(values.length, new PostgresTiles(bed.service))).toEqual(range.root());
    const [tiles] = await bed.administrator.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.tiles');
    expect(tiles?.n).toBe(tilesOfGrowth(0, values.length).length);
    // Every entry was published with its bytes; a repetition has the same ones, and no index comes before a lower one.
    const published: string[] = [];
    for (const line of (await readFile(join(folder, 'topic'), 'utf8')).trim().split('\n')) {
      const [index = '', value = ''] = line.split(' ');
      expect(Number(index)).toBeLessThanOrEqual(published.length);
      published[Number(index)] ??= Buffer.from(value, 'base64').toString();
      expect(Buffer.from(value, 'base64').toString()).toBe(values[Number(index)]);
    }
    expect(published).toEqual(values);
  }, 600_000);
});
