import { CompactRange } from '@countersign/transparency-log';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { type Database } from '@countersign/persistence';
import { type TrailEntry } from '../trail/trail.ports.js';
import { PostgresLogSequencer } from './log-sequencer.store.js';
import { shardOf } from './shard.decision.js';
import { shardStartedIn } from './shard-started.js';

let bed: LogBed;

const sequencerOn = (database: Database): PostgresLogSequencer =>
  new PostgresLogSequencer(database, TEST_ORIGIN, shardStartedIn('1.8.0'));
/** The details of the events that began shards, by index. */
const shardStarts = async (): Promise<Map<number, unknown>> =>
  new Map(
    (await bed.values()).flatMap((value, index) => {
      if (!value.toString().startsWith('{')) return [];
      const { unmapped } = JSON.parse(value.toString()) as { unmapped: { kind: string; detail: unknown } };
      return unmapped.kind === 'log.shard_started' ? [[index, unmapped.detail] as const] : [];
    }),
  );
const expectRoot = async (): Promise<void> => {
  const range = CompactRange.empty();
  for (const leaf of await bed.leaves()) range.append(leaf);
  const [head] = await bed.administrator.query<{ size: string; root: Buffer }>(
    'SELECT size, root FROM audit.tree_heads ORDER BY size DESC LIMIT 1',
  );
  expect(head).toEqual({ size: String(range.end), root: range.root() });
};

describe('a shard of the log', () => {
  beforeEach(async () => {
    bed = await openLogBed();
  });
  afterEach(() => bed.close());

  it('begins once with its own entry when two sequencers take the first facts of a half-year at once', async () => {
    const copies = [bed.service, await bed.openCopy()];
    const sequencers = copies.flatMap((database) => [sequencerOn(database), sequencerOn(database)]);
    const facts = (): TrailEntry[] => Array.from({ length: 100 }, () => trailEntry());
    await Promise.all(sequencers.map((sequencer) => sequencer.sequence(100, facts())));

    const [shard] = await bed.administrator.query<{ name: string; first_idx: string; checkpoint: string | null }>(
      'SELECT name, first_idx, checkpoint FROM audit.shards',
    );
    const name = shardOf(new Date());
    expect(shard).toEqual({ name, first_idx: '0', checkpoint: null });
    expect(await shardStarts()).toEqual(new Map([[0, { shard: name, first: 0 }]]));
    expect((await bed.values()).length).toBe(401);
    await expectRoot();
  });

  it('begins after the last entry of the shard before, and has its last signed checkpoint', async () => {
    await new PostgresLogSequencer(bed.service, TEST_ORIGIN).sequence(10, [trailEntry()]);
    await bed.administrator.query(
      `INSERT INTO audit.shards (name, first_idx, started_at) VALUES ('2020h1', 0, '2020-01-01')`,
    );
    await bed.administrator.query(`INSERT INTO audit.checkpoints (size, signed_at, root, note)
      SELECT size, now(), root, 'the signed note' FROM audit.tree_heads`);
    const sequencer = sequencerOn(bed.service);
    expect(await sequencer.sequence(10)).toEqual({ taken: 0, size: 1 });
    expect(await sequencer.sequence(10, [trailEntry()])).toEqual({ taken: 1, size: 3 });
    expect(await sequencer.sequence(10, [trailEntry()])).toEqual({ taken: 1, size: 4 });

    const detail = { shard: shardOf(new Date()), first: 1, checkpoint: 'the signed note' };
    expect(await shardStarts()).toEqual(new Map([[1, detail]]));
    await expectRoot();
  });

  it('does not begin again when the clock of the database is set back', async () => {
    await bed.administrator.query(
      `INSERT INTO audit.shards (name, first_idx, started_at) VALUES ('9999h2', 0, '9999-07-01')`,
    );
    expect(await sequencerOn(bed.service).sequence(10, [trailEntry()])).toEqual({ taken: 1, size: 1 });
    expect(await shardStarts()).toEqual(new Map());
  });
});

describe('shardOf', () => {
  it.each([
    ['2026-06-30T23:59:59.999Z', '2026h1'],
    ['2026-07-01T01:59:00.000+02:00', '2026h1'],
    ['2026-07-01T00:00:00.000Z', '2026h2'],
    ['2027-01-01T00:00:00.000Z', '2027h1'],
  ])('names %s by its half-year in UTC, %s', (time, name) => {
    expect(shardOf(new Date(time))).toBe(name);
  });
});
