import { jest } from '@jest/globals';
import { encodeEntryBundle, readEntryBundle, splitHashes } from '@countersign/transparency-log';
import { bundleOf, checkpointOf, entriesOf, LogInMemory, SIGNER } from '../../test/log-in-memory.js';
import { type DamageKind } from './damage.js';
import { type GivenCheckpoint } from './given-checkpoints.js';
import { verifyLog } from './verify-log.js';

/**
 * Mutations and intact logs of this run. The whole test, 10,000 and 1,000, takes minutes:
 * LOG_MUTATIONS=10000 LOG_SEED=7 npm test -- --testPathPatterns random-damage
 */
const MUTATIONS = Number(process.env['LOG_MUTATIONS'] ?? 400);
const INTACT_LOGS = Math.ceil(MUTATIONS / 10);
const SEED = Number(process.env['LOG_SEED'] ?? 1);
const SIZE = 5_000;

jest.setTimeout(60_000 + MUTATIONS * 200);

/** What a mutation must be reported as. */
interface Expected {
  readonly what: string;
  readonly object: string;
  /** Index of the first entry that is damaged or no longer proven; none for a checkpoint. */
  readonly index?: number;
  readonly kinds?: readonly DamageKind[];
}

/** Bundles that the entry 4,500 states as pruned. */
const PRUNED = 8;
const stating = (bundles: number): Buffer => {
  const unmapped = { kind: 'log.pruned', detail: { from: 0, to: bundles * 256 - 1 } };
  return Buffer.from(JSON.stringify({ metadata: { tenant_uid: '_installation' }, unmapped }));
};
const entries = entriesOf(SIZE).with(4_500, stating(PRUNED));
const intact = LogInMemory.of(entries);
const pruned = intact.clone();
for (let index = 0; index < PRUNED; index++) pruned.files.delete(bundleOf(index * 256, SIZE));
const kept: GivenCheckpoint[] = [1, 700, 1_024, 2_500, 4_999].map((size) => ({
  where: `witness ${size}`,
  note: checkpointOf(entries.slice(0, size)),
}));
const lastBundle = 'tile/entries/019.p/136';

/** Numbers in [0, 1) from a seed (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** The first entry or hash of a file that differs from the intact one, by its index in the log. */
function firstAltered(path: string, data: Buffer): number {
  const [, level = '', number = ''] = /^tile\/(\w+)\/(\d+)/.exec(path) ?? [];
  const parts = (file: Buffer): Buffer[] =>
    level === 'entries'
      ? readEntryBundle(file).entries
      : splitHashes(file.subarray(0, file.length - (file.length % 32)));
  const [before, after] = [parts(intact.files.get(path)!), parts(data)];
  const at = before.findIndex((part, place) => !after[place]?.equals(part));
  const covered = level === 'entries' ? 1 : 256 ** Number(level);
  return (Number(number) * 256 + (at < 0 ? before.length : at)) * covered;
}

function mutate(log: LogInMemory, checkpoints: GivenCheckpoint[], random: (below: number) => number): Expected {
  const alter = (path: string, data: Buffer, what: string, kinds?: readonly DamageKind[]): Expected => {
    log.files.set(path, data);
    const where = path === 'checkpoint' ? { object: 'the checkpoint of memory' } : { object: path };
    return {
      what,
      ...where,
      ...(path !== 'checkpoint' && { index: firstAltered(path, data) }),
      ...(kinds && { kinds }),
    };
  };
  const paths = [...log.files.keys()];
  const bundles = paths.filter((path) => path.includes('entries'));
  const anyPath = paths[random(paths.length)]!;
  const data = Buffer.from(log.files.get(anyPath)!);
  const at = random(data.length);
  const bundle = bundles[random(bundles.length)]!;
  const rows = readEntryBundle(log.files.get(bundle)!).entries;
  const row = random(rows.length);
  switch (random(10)) {
    case 0:
    case 1:
    case 2:
      data[at]! ^= 1 << random(8);
      return alter(anyPath, data, `a bit of byte ${at} of ${anyPath}`);
    case 3:
      return alter(anyPath, data.subarray(0, at), `${anyPath} cut at byte ${at}`);
    case 4: {
      const longer = Buffer.concat([data.subarray(0, at), Buffer.of(random(256)), data.subarray(at)]);
      // A byte equal to the rest of the file changes only its length.
      return alter(anyPath, longer, `a byte inserted at ${at} of ${anyPath}`);
    }
    case 5: {
      const other = (row + 1 + random(rows.length - 1)) % rows.length;
      const swapped = rows.with(row, rows[other]!).with(other, rows[row]!);
      return alter(bundle, encodeEntryBundle(swapped), `rows ${row} and ${other} of ${bundle} swapped`, ['reordered']);
    }
    case 6: {
      const kinds: DamageKind[] = bundle === lastBundle ? ['removed', 'truncated'] : ['removed'];
      return alter(bundle, encodeEntryBundle(rows.toSpliced(row, 1)), `row ${row} of ${bundle} removed`, kinds);
    }
    case 7: {
      const twice = encodeEntryBundle(rows.toSpliced(row, 0, rows[row]!));
      return alter(bundle, twice, `row ${row} of ${bundle} twice`, ['inserted']);
    }
    case 8: {
      const path = paths.filter((name) => name !== 'checkpoint')[random(paths.length - 1)]!;
      const what = `${path} deleted`;
      log.files.delete(path);
      return { what, object: path, index: firstAltered(path, Buffer.alloc(0)), kinds: ['removed', 'truncated'] };
    }
    default: {
      const place = random(checkpoints.length);
      const { where, note } = checkpoints[place]!;
      const altered = Buffer.from(note);
      const byte = random(altered.length);
      altered[byte]! ^= 1 << random(8);
      checkpoints[place] = { where, note: altered };
      return { what: `a bit of byte ${byte} of ${where}`, object: where };
    }
  }
}

describe('random damage', () => {
  it(`is found and located in ${MUTATIONS} of ${MUTATIONS} mutations of a log of ${SIZE} entries, half of them with pruned entries`, async () => {
    const random = randomFrom(SEED);
    const missed: string[] = [];
    const found = new Map<string, number>();
    for (let mutation = 0; mutation < MUTATIONS; mutation++) {
      const log = (mutation % 2 === 0 ? intact : pruned).clone();
      const checkpoints = [...kept];
      const expected = mutate(log, checkpoints, random);
      const verdict = await verifyLog(log, [SIGNER.verifier], { checkpoints });
      const { what, object, index, kinds } = expected;
      if (verdict.result !== 'tampered') {
        missed.push(`${mutation}: ${what}: ${verdict.result}`);
        continue;
      }
      const { damage } = verdict;
      const isPlace =
        index === undefined || (damage.first !== undefined && damage.first <= index && index <= damage.last!);
      // An entry is named exactly; a hash of an upper tile stands for all entries below it.
      const isExact = !object.includes('entries') || damage.first === damage.last;
      if (damage.object === object && isPlace && isExact && (kinds?.includes(damage.kind) ?? true))
        found.set(damage.kind, (found.get(damage.kind) ?? 0) + 1);
      else missed.push(`${mutation}: ${what}, index ${index}: ${JSON.stringify(damage)}`);
    }
    process.stderr.write(`random damage, seed ${SEED}: ${JSON.stringify(Object.fromEntries(found))}\n`);
    expect(missed.slice(0, 10)).toEqual([]);
  });

  it(`is never reported in ${INTACT_LOGS} intact logs of random sizes with random checkpoints`, async () => {
    const random = randomFrom(SEED);
    const all = entriesOf(3_000).with(512, stating(2));
    const alarms: string[] = [];
    for (let made = 0; made < INTACT_LOGS; made++) {
      const size = random(all.length + 1);
      const log = LogInMemory.of(all.slice(0, size));
      const isPruned = size > 512 && made % 2 === 0;
      for (const index of isPruned ? [0, 256] : []) log.files.delete(bundleOf(index, size));
      const checkpoints = Array.from({ length: random(6) }, () => {
        const part = random(size + 1);
        return { where: `witness ${part}`, note: checkpointOf(all.slice(0, part)) };
      });
      const verdict = await verifyLog(log, [SIGNER.verifier], { checkpoints });
      if (verdict.result !== 'intact' || (verdict.pruned !== undefined) !== isPruned)
        alarms.push(`${size}: ${JSON.stringify(verdict)}`);
    }
    expect(alarms).toEqual([]);
  });
});
