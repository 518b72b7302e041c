import {
  CompactRange,
  consistencyProof,
  rootFromTiles,
  tilesOfGrowth,
  verifyConsistency,
} from '@countersign/transparency-log';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { PostgresAuditTrail } from '../trail/audit-trail.store.js';
import { PostgresLogSequencer } from './log-sequencer.store.js';
import { PostgresTiles } from './tiles.store.js';

let bed: LogBed;

const rootOf = (leaves: readonly Buffer[]): Buffer => {
  const range = CompactRange.empty();
  for (const leaf of leaves) range.append(leaf);
  return range.root();
};

/** Checks entries, tiles, heads and state against each other. @returns the number of entries */
async function expectOneLog(): Promise<number> {
  const leaves = await bed.leaves();
  const heads = await bed.administrator.query<{ size: string; root: Buffer }>(
    'SELECT size, root FROM audit.tree_heads ORDER BY size',
  );
  const size = Number(heads.at(-1)?.size ?? 0);
  expect(size).toBe(leaves.length);
  for (const head of heads) expect(head.root).toEqual(rootOf(leaves.slice(0, Number(head.size))));
  const tiles = new PostgresTiles(bed.service);
  expect(await rootFromTiles(size, tiles)).toEqual(heads.at(-1)?.root);
  for (const [at, { size: from, root }] of heads.slice(0, -1).entries()) {
    const next = heads[at + 1]!;
    const proof = await consistencyProof(Number(from), Number(next.size), tiles);
    expect(verifyConsistency(Number(from), Number(next.size), proof, root, next.root)).toBe(true);
  }
  const stored = await bed.administrator.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.tiles');
  expect(stored[0]?.n).toBe(tilesOfGrowth(0, size).length);
  return size;
}

/** Appends facts of a subject one after the other, as a partition of Kafka does. */
async function appendInOrder(trail: PostgresAuditTrail, subject: string, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await trail.append(
      trailEntry({ subject, value: Buffer.from(`${subject} ${at}`), partitionKey: `acme:${subject}` }),
    );
  }
}

describe('the sequencer', () => {
  beforeEach(async () => {
    bed = await openLogBed();
  });
  afterEach(() => bed.close());

  it('makes one log of 6,000 facts when two copies record and sequence them at once, with each subject in order', async () => {
    const copies = [bed.service, await bed.openCopy()];
    const subjects = 300;
    const perSubject = 20;
    let appending = true;
    const work = copies.map(async (database, copy) => {
      const trail = new PostgresAuditTrail(database);
      await Promise.all(
        Array.from({ length: subjects / 2 }, (_, at) => appendInOrder(trail, `subject-${copy}-${at}`, perSubject)),
      );
    });
    const sequencing = copies.map(async (database) => {
      const sequencer = new PostgresLogSequencer(database, TEST_ORIGIN);
      for (let last = 1; appending || last > 0;) last = (await sequencer.sequence(256)).taken;
    });
    await Promise.all(work).finally(() => (appending = false));
    await Promise.all(sequencing);

    expect(await expectOneLog()).toBe(subjects * perSubject);
    const bySubject = new Map<string, number[]>();
    for (const value of await bed.values()) {
      const [subject = '', number] = value.toString().split(' ');
      bySubject.set(subject, [...(bySubject.get(subject) ?? []), Number(number)]);
    }
    expect(bySubject.size).toBe(subjects);
    for (const numbers of bySubject.values())
      expect(numbers).toEqual(Array.from({ length: perSubject }, (_, at) => at));
  }, 120_000);

  it('takes a fact that is delivered again after it was sequenced only out of the inbox', async () => {
    const trail = new PostgresAuditTrail(bed.service);
    const sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    const [first, second] = [trailEntry(), trailEntry()];
    await trail.append(first);
    expect(await sequencer.sequence(10)).toEqual({ taken: 1, size: 1 });
    await Promise.all([trail.append(first), trail.append(second)]);
    expect(await sequencer.sequence(10)).toEqual({ taken: 2, size: 2 });
    await trail.append(first);
    expect(await sequencer.sequence(10)).toEqual({ taken: 1, size: 2 });
    expect(await bed.values()).toEqual([first.value, second.value]);
    await expectOneLog();
  });

  it('stores nothing of a batch that loses the compare-and-swap, and sequences the facts with the next one', async () => {
    const trail = new PostgresAuditTrail(bed.service);
    const sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    await trail.append(trailEntry());
    await sequencer.sequence(10);
    // The update finds no row, as if the size were another one.
    await bed.administrator.query(
      `CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    );
    await bed.administrator.query(
      'CREATE TRIGGER lose BEFORE UPDATE ON audit.log_state FOR EACH ROW EXECUTE FUNCTION public.lose()',
    );
    const fact = trailEntry();
    await trail.append(fact);
    await expect(sequencer.sequence(10)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
    expect(await expectOneLog()).toBe(1);
    await bed.administrator.query('DROP TRIGGER lose ON audit.log_state');
    expect(await sequencer.sequence(10)).toEqual({ taken: 1, size: 2 });
    expect((await bed.values())[1]).toEqual(fact.value);
    await expectOneLog();
  });

  it('continues a log of another copy over full tiles of two levels', async () => {
    const trail = new PostgresAuditTrail(bed.service);
    const copies = [bed.service, await bed.openCopy()].map(
      (database) => new PostgresLogSequencer(database, TEST_ORIGIN),
    );
    for (let round = 0; round < 6; round++) {
      await Promise.all(Array.from({ length: 100 }, () => trail.append(trailEntry())));
      await copies[round % 2]!.sequence(1_024);
    }
    expect(await expectOneLog()).toBe(600);
  });

  it('refuses to continue a log under another origin, because its checkpoints would be of two logs', async () => {
    const trail = new PostgresAuditTrail(bed.service);
    await trail.append(trailEntry());
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(10);
    await trail.append(trailEntry());
    const other = new PostgresLogSequencer(bed.service, 'log.example/other');
    await expect(other.sequence(10)).rejects.toThrow(`LOG_ORIGIN must be ${TEST_ORIGIN}`);
    expect(await expectOneLog()).toBe(1);
  });
});

describe('the tables of the log', () => {
  beforeAll(async () => {
    bed = await openLogBed();
    await new PostgresAuditTrail(bed.service).append(trailEntry());
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(10);
    await bed.administrator.query(`INSERT INTO audit.checkpoints (size, signed_at, root, note)
      SELECT size, now(), root, 'note' FROM audit.tree_heads`);
  });
  afterAll(() => bed.close());

  it.each([
    'UPDATE audit.tree_heads SET root = sha256(root)',
    'DELETE FROM audit.tree_heads',
    'UPDATE audit.tiles SET hashes = sha256(hashes)',
    'UPDATE audit.tiles SET hashes = sha256(hashes) || hashes, width = width + 1',
    'UPDATE audit.tiles SET level = 1',
    'UPDATE audit.tiles SET tile_index = 1',
    'DELETE FROM audit.tiles',
    'UPDATE audit.log_state SET size = 0',
    'UPDATE audit.log_state SET size = size',
    "UPDATE audit.log_state SET size = size + 1, origin = 'log.example/other'",
    'UPDATE audit.log_state SET size = size + 1, origin = NULL',
    'DELETE FROM audit.log_state',
    'INSERT INTO audit.log_state (single) VALUES (false)',
    'UPDATE audit.checkpoints SET size = size + 1',
    'DELETE FROM audit.checkpoints',
    ...['entries', 'tree_heads', 'tiles', 'log_state', 'checkpoints'].map((table) => `TRUNCATE audit.${table}`),
  ])('refuse %s, even for their owner', async (statement) => {
    await expect(bed.administrator.query(statement)).rejects.toThrow();
    expect(await expectOneLog()).toBe(1);
  });
});
