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

  it('makes one log of 6,000 facts when two copies record them at once, with each subject in order', async () => {
    const copies = [bed.service, await bed.openCopy()];
    const subjects = 300;
    const perSubject = 20;
    const work = copies.map(async (database, copy) => {
      const trail = new PostgresAuditTrail(new PostgresLogSequencer(database, TEST_ORIGIN));
      await Promise.all(
        Array.from({ length: subjects / 2 }, (_, at) => appendInOrder(trail, `subject-${copy}-${at}`, perSubject)),
      );
    });
    await Promise.all(work);

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

  it('adds a fact once when it is delivered again, also when the inbox of an earlier build has it', async () => {
    const sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    const [first, second, third] = [trailEntry(), trailEntry(), trailEntry()];
    expect(await sequencer.sequence(10, [first])).toEqual({ taken: 1, size: 1 });
    expect(await sequencer.sequence(10, [{ ...first, value: Buffer.from('other') }, second])).toEqual({
      taken: 2,
      size: 2,
    });
    await bed.administrator.query(
      `INSERT INTO audit.inbox (event_id, kind, tenant, time, value, partition_key)
       SELECT id, 'attempt.decided', 'acme', now(), value, 'k'
       FROM unnest($1::uuid[], $2::bytea[]) AS f(id, value)`,
      [[first, third].map(({ eventId }) => eventId), [first, third].map(({ value }) => value)],
    );
    const fourth = trailEntry();
    const other = Buffer.from('other');
    expect(await sequencer.sequence(10, [fourth, { ...third, value: other }])).toEqual({ taken: 4, size: 4 });
    expect(await sequencer.sequence(10)).toEqual({ taken: 0, size: 4 });
    expect(await bed.values()).toEqual([first, second, third, fourth].map(({ value }) => value));
    await expectOneLog();
  });

  it('stores nothing of a batch that loses the compare-and-swap, and sequences the facts with the next one', async () => {
    const sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    await sequencer.sequence(10, [trailEntry()]);
    // The update finds no row, as if the size were another one.
    await bed.administrator.query(
      `CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    );
    await bed.administrator.query(
      'CREATE TRIGGER lose BEFORE UPDATE ON audit.log_state FOR EACH ROW EXECUTE FUNCTION public.lose()',
    );
    const fact = trailEntry();
    await expect(sequencer.sequence(10, [fact])).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retriable: true,
    });
    expect(await expectOneLog()).toBe(1);
    await bed.administrator.query('DROP TRIGGER lose ON audit.log_state');
    expect(await sequencer.sequence(10, [fact])).toEqual({ taken: 1, size: 2 });
    expect((await bed.values())[1]).toEqual(fact.value);
    await expectOneLog();
  });

  it('keeps facts for another try while the log has a fault, and refuses only a fact that is one itself', async () => {
    const sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    await sequencer.sequence(10, [trailEntry()]);
    const refused = trailEntry({ tenant: 'a\u0000b' });
    await expect(sequencer.sequence(10, [refused])).rejects.toMatchObject({ retriable: false });
    // An entry of which the log knows nothing takes the next index.
    await bed.administrator.query(
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, ocsf_version, recorded_at)
       VALUES (1, gen_random_uuid(), 'attempt.decided', 'acme', now(), 'x', 'k', '1.8.0', now())`,
    );
    await expect(new PostgresAuditTrail(sequencer).append(trailEntry())).rejects.toMatchObject({ retriable: true });
  });

  it('continues a log of another copy over full tiles of two levels', async () => {
    const copies = [bed.service, await bed.openCopy()].map(
      (database) => new PostgresLogSequencer(database, TEST_ORIGIN),
    );
    for (let round = 0; round < 6; round++) {
      await copies[round % 2]!.sequence(
        1_024,
        Array.from({ length: 100 }, () => trailEntry()),
      );
    }
    expect(await expectOneLog()).toBe(600);
  });

  it('refuses to continue a log under another origin, because its checkpoints would be of two logs', async () => {
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(10, [trailEntry()]);
    const other = new PostgresLogSequencer(bed.service, 'log.example/other');
    await expect(other.sequence(10, [trailEntry()])).rejects.toThrow(`LOG_ORIGIN must be ${TEST_ORIGIN}`);
    const ends: Error[] = [];
    // The fact is tried again, and so is no dead letter.
    const appended = new PostgresAuditTrail(other, { onFatal: (error) => ends.push(error) }).append(trailEntry());
    await expect(appended).rejects.toMatchObject({ retriable: true });
    expect(ends).toMatchObject([{ code: 'SETTINGS_INVALID' }]);
    expect(await expectOneLog()).toBe(1);
  });
});

describe('the tables of the log', () => {
  beforeAll(async () => {
    bed = await openLogBed();
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(10, [trailEntry()]);
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
