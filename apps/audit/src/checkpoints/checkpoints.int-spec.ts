import {
  CompactRange,
  cosign,
  createSignerKey,
  formatCheckpoint,
  leafHash,
  parseSignerKey,
  signCheckpoint,
  SIGNATURE_TYPES,
  signNote,
  timedKeyOf,
  type SignerKey,
} from '@countersign/transparency-log';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { PostgresLogSequencer } from '../log/log-sequencer.store.js';
import { type TrailEntry } from '../trail/trail.ports.js';
import { AcceptCheckpoint } from './accept-checkpoint.use-case.js';
import { PostgresCheckpoints } from './checkpoints.store.js';

const newSigner = (name = TEST_ORIGIN): SignerKey => parseSignerKey(createSignerKey(name));
const signer = newSigner();
const earlier = newSigner();
/** Of a note without a time. */
const UNTIMED = new Date('1970-01-01T00:00:00.000Z');
const SIGNED_AT = new Date('2026-11-27T11:59:59.000Z');

describe('a signed checkpoint that arrives at the audit service', () => {
  let bed: LogBed;
  let accepting: AcceptCheckpoint;
  let sequencer: PostgresLogSequencer;
  const logged: Buffer[] = [];

  /** Adds entries to the log. */
  const grow = async (count: number, create = (): TrailEntry => trailEntry()): Promise<void> => {
    await sequencer.sequence(1_024, Array.from({ length: count }, create));
    logged.splice(0, logged.length, ...(await bed.leaves()));
  };
  /** Computed by the library from the leaves, not from the stored tiles. */
  const rootOf = (size: number): Buffer => {
    const range = CompactRange.empty();
    for (const leaf of logged.slice(0, size)) range.append(leaf);
    return range.root();
  };
  const head = (size: number): { size: number; root: Buffer } => ({ size, root: rootOf(size) });
  const accept = (note: string, origin = TEST_ORIGIN): Promise<void> =>
    accepting.accept({ origin, note: Buffer.from(note) });
  const stored = (): Promise<object[]> =>
    bed.administrator.query<object>('SELECT size::int, signed_at, root, note FROM audit.checkpoints ORDER BY size');

  beforeAll(async () => {
    bed = await openLogBed();
    sequencer = new PostgresLogSequencer(bed.service, TEST_ORIGIN);
    accepting = new AcceptCheckpoint(new PostgresCheckpoints(bed.service), [signer.verifier, earlier.verifier]);
    await grow(700);
  });
  afterAll(() => bed.close());

  const corrupted = (note: string): string => note.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) - 1}\n`);
  /** With a signature line of an unknown key, which is not verified. */
  const padded = (note: string, bytes: number): string =>
    `${note}— unknown ${Buffer.alloc(bytes, 1).toString('base64')}\n`;
  const witness = parseSignerKey(createSignerKey(TEST_ORIGIN, SIGNATURE_TYPES.cosignature));
  it.each<[string, () => Promise<void>]>([
    ['whose size was changed after it was signed', () => accept(corrupted(signCheckpoint(head(600), signer)))],
    ['that another key with the same name has signed', () => accept(signCheckpoint(head(600), newSigner()))],
    [
      'that only a witness has signed',
      () => accept(signNote(formatCheckpoint({ origin: TEST_ORIGIN, ...head(600) }), [witness])),
    ],
    [
      'that the key has signed with a time only',
      () => {
        const timed = { ...signer, verifier: timedKeyOf(signer.verifier) };
        return accept(signNote(formatCheckpoint({ origin: TEST_ORIGIN, ...head(600) }), [timed]));
      },
    ],
    [
      'with a time that another key has signed',
      () => {
        const forged = { ...newSigner(), verifier: timedKeyOf(signer.verifier) };
        return accept(cosign(signCheckpoint(head(600), signer), forged));
      },
    ],
    [
      'of another log that the same key has signed',
      () => accept(signNote(formatCheckpoint({ origin: 'log.example/other', ...head(600) }), [signer])),
    ],
    ['under the key of another log', () => accept(signCheckpoint(head(600), signer), 'log.example/other')],
    [
      'that the log has signed, with a root that contradicts the stored tree',
      () => accept(signCheckpoint({ size: 600, root: rootOf(599) }, signer)),
    ],
    ['that has 9 KiB', () => accept(padded(signCheckpoint(head(600), signer), 9 << 10))],
    ['that is no note', () => accept('checkpoint')],
    ['that is no text', () => accepting.accept({ origin: TEST_ORIGIN, note: Buffer.of(0xff, 0x0a, 0x0a) })],
  ])('is refused and not stored: one %s', async (_, accepted) => {
    await expect(accepted()).rejects.toMatchObject({ code: 'CHECKPOINT_REFUSED', retriable: false });
    expect(await stored()).toEqual([]);
  });

  it('waits while it is above the log, and is stored when the log has grown to it', async () => {
    const entry = trailEntry();
    const range = CompactRange.empty();
    for (const leaf of logged) range.append(leaf);
    const before = logged.length;
    range.append(leafHash(entry.value));
    const note = signCheckpoint({ size: before + 1, root: range.root() }, signer);
    await expect(accept(note)).rejects.toMatchObject({ code: 'CHECKPOINT_AHEAD', retriable: true });
    expect(await stored()).toEqual([]);
    await grow(1, () => entry);
    await accept(note);
    expect(await stored()).toEqual([{ size: before + 1, signed_at: UNTIMED, root: range.root(), note }]);
  });

  it('is stored once for each time that the log has signed, of whatever size, with either key', async () => {
    const timed = { ...signer, verifier: timedKeyOf(signer.verifier) };
    const notes = new Map([0, 1, 255, 256, 257, 511, 700].map((size) => [size, signCheckpoint(head(size), signer)]));
    notes.set(600, cosign(signCheckpoint(head(600), signer), timed, SIGNED_AT.getTime() / 1_000));
    notes.set(601, signCheckpoint(head(601), earlier));
    for (const note of [...notes.values(), ...notes.values()]) await accept(note);
    expect(await stored()).toEqual([
      ...[...notes.entries()]
        .sort(([a], [b]) => a - b)
        .map(([size, note]) => ({
          ...{ size, note, root: rootOf(size), signed_at: size === 600 ? SIGNED_AT : UNTIMED },
        })),
      expect.objectContaining({ size: 701 }),
    ]);
  });

  it.each([
    ['more entries', 702],
    ['as many entries at a later time', 701],
  ])('is refused when an earlier key has signed it for %s than the current key', async (_, size) => {
    if (logged.length < size) await grow(size - logged.length);
    const before = await stored();
    const timed = { ...earlier, verifier: timedKeyOf(earlier.verifier) };
    const note = cosign(signCheckpoint(head(size), earlier), timed, SIGNED_AT.getTime() / 1_000);
    await expect(accept(note)).rejects.toMatchObject({ code: 'CHECKPOINT_REFUSED', retriable: false });
    expect(await stored()).toEqual(before);
  });
});
