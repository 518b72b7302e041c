import { createSignerKey, openCheckpoint, parseSignerKey, timedKeyOf } from '@countersign/transparency-log';
import { KEY, GrowingLog, ORIGIN, SigningBed } from '../../test/signing-bed.js';

const grown = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `entry ${from + at}`);
const refusal = (kind: string, sizes: object): object => ({ name: 'LogRefused', kind, sizes });

describe('the signer', () => {
  it('signs each growth once, stores it before it publishes it, and names the time', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(300));
    const signer = await bed.start();
    expect([await signer.sign(false), await signer.sign(false)]).toEqual([true, false]);
    bed.log.append(grown(300, 70_000));
    expect(await signer.sign(false)).toBe(true);
    expect(bed.steps).toEqual(['write 300', 'publish 300', 'write 70000', 'publish 70000']);
    const { size, root, cosignatures } = openCheckpoint(bed.published[1]!, KEY.verifier, [timedKeyOf(KEY.verifier)]);
    expect({ size, root }).toEqual(await bed.log.head());
    expect(cosignatures[0]?.time).toBeGreaterThan(1_700_000_000);
  });

  it('signs an unchanged log again when a checkpoint is due, and nothing while the log is empty', async () => {
    const bed = new SigningBed(new GrowingLog());
    const signer = await bed.start();
    expect([await signer.sign(true), bed.steps]).toEqual([false, []]);
    bed.log.append(grown(0, 5));
    expect([await signer.sign(true), await signer.sign(false), await signer.sign(true)]).toEqual([true, false, true]);
    expect(bed.sizes()).toEqual([5, 5]);
  });

  it.each([
    ['a rollback', GrowingLog.ofSize(299), refusal('rollback', { signedSize: 300, size: 299 })],
    ['an empty log', new GrowingLog(), refusal('rollback', { signedSize: 300, size: 0 })],
    [
      'another history of the same size',
      GrowingLog.ofSize(300, 'other'),
      refusal('fork', { signedSize: 300, size: 300 }),
    ],
    [
      'another history that is longer',
      GrowingLog.ofSize(400, 'other'),
      refusal('fork', { signedSize: 300, size: 400 }),
    ],
    [
      'a rolled back log that has grown beyond what was signed',
      new GrowingLog([...grown(0, 200), ...Array.from({ length: 200 }, (_, at) => `later ${at}`)]),
      refusal('fork', { signedSize: 300, size: 400 }),
    ],
  ])('refuses %s, in the same process and after a restart, and signs nothing', async (_what, log, refused) => {
    const bed = new SigningBed(GrowingLog.ofSize(300));
    await (await bed.start()).sign(false);
    bed.log = log;
    for (const isDue of [false, true]) {
      await expect((await bed.start()).sign(isDue)).rejects.toMatchObject(refused);
    }
    expect(bed.sizes()).toEqual([300]);
    // The right log again.
    bed.log = GrowingLog.ofSize(301);
    expect(await (await bed.start()).sign(false)).toBe(true);
  });

  it('refuses a log with a tile that does not lead to its root, or is missing', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(300));
    await (await bed.start()).sign(false);
    bed.log.append(grown(300, 600));
    bed.log.changeTile(0, 2, (data) => data.fill(1, 0, 32));
    await expect(bed.signer.sign(false)).rejects.toMatchObject({ kind: 'damaged' });
    bed.log.changeTile(0, 2, () => Buffer.alloc(0));
    await expect(bed.signer.sign(false)).rejects.toMatchObject({ kind: 'damaged' });
    expect(bed.sizes()).toEqual([300]);
  });

  it('publishes after a kill what its state has signed last, also when the log is refused then', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(300));
    await (await bed.start()).sign(false);
    bed.log.append(grown(300, 310));
    bed.failAt = 'publish';
    await expect(bed.signer.sign(false)).rejects.toThrow('killed');
    expect([bed.stored?.size, bed.sizes()]).toEqual([310, [300]]);
    bed.failAt = undefined;
    bed.log = GrowingLog.ofSize(305);
    await expect((await bed.start()).sign(false)).rejects.toMatchObject({ kind: 'rollback' });
    expect(bed.sizes()).toEqual([300, 310]);
  });

  it('publishes in the same process what the broker did not take, before anything later', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(3));
    const signer = await bed.start();
    bed.failAt = 'publish';
    await expect(signer.sign(false)).rejects.toThrow('killed');
    bed.log.append(grown(3, 4));
    await expect(signer.sign(false)).rejects.toThrow('killed');
    bed.failAt = undefined;
    expect(await signer.sign(false)).toBe(true);
    expect(bed.sizes()).toEqual([3, 4]);
  });

  it('signs nothing that its state does not hold', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(3));
    const signer = await bed.start();
    bed.failAt = 'write';
    await expect(signer.sign(false)).rejects.toThrow('killed');
    expect(bed.published).toEqual([]);
  });
});

describe('two copies that run on one state by mistake', () => {
  const entriesOf = (size: number, text: string): string[] => [
    ...grown(0, 400),
    ...Array.from({ length: size - 400 }, (_, at) => `${text} ${at}`),
  ];

  it.each([
    [500, refusal('fork', { signedSize: 500, size: 500 })],
    [600, refusal('fork', { signedSize: 500, size: 600 })],
    [450, refusal('rollback', { signedSize: 500, size: 450 })],
  ])('sign one history: the second refuses another one of %i entries', async (size, refused) => {
    const bed = new SigningBed(GrowingLog.ofSize(400));
    const first = await bed.start();
    await first.sign(false);
    const { log } = bed;
    bed.log = new GrowingLog(entriesOf(size, 'other'));
    const second = await bed.start();
    log.append(grown(400, 500));
    await first.sign(false);
    await expect(second.sign(false)).rejects.toMatchObject(refused);
    expect(bed.sizes()).toEqual([400, 500]);
    expect(bed.stored?.size).toBe(500);
  });

  it('sign on together while their log is the same', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(400));
    const [first, second] = [await bed.start(), await bed.start()];
    expect([await first.sign(false), await second.sign(false)]).toEqual([true, false]);
    bed.log.append(grown(400, 500));
    expect([await second.sign(false), await first.sign(true)]).toEqual([true, true]);
    expect(bed.sizes()).toEqual([400, 500, 500]);
  });

  it('refuse what contradicts a signature of their own, though the state was overwritten', async () => {
    const bed = new SigningBed(GrowingLog.ofSize(400));
    const signer = await bed.start();
    await signer.sign(false);
    const other = new SigningBed(GrowingLog.ofSize(500, 'other'));
    await (await other.start()).sign(false);
    bed.stored = other.stored;
    bed.log.append(grown(400, 600));
    await expect(signer.sign(false)).rejects.toMatchObject(refusal('fork', { signedSize: 500, size: 600 }));
    expect(bed.sizes()).toEqual([400]);
  });
});

describe('a signer without its state, or with an old one', () => {
  const signed = async (...sizes: number[]): Promise<SigningBed> => {
    const bed = new SigningBed(new GrowingLog());
    const signer = await bed.start();
    for (const size of sizes) {
      bed.log.append(grown((await bed.log.head()).size, size));
      await signer.sign(false);
    }
    return bed;
  };

  it.each([
    ['without its state', undefined],
    ['with an old state', 10],
  ])('%s takes the last checkpoint of the topic as its memory', async (_what, size) => {
    const bed = await signed(10, 20);
    const { published } = bed;
    bed.stored =
      size === undefined ? undefined : { ...openCheckpoint(published[0]!, KEY.verifier), note: published[0]! };
    bed.log = GrowingLog.ofSize(15);
    await expect((await bed.start()).sign(true)).rejects.toMatchObject({ kind: 'rollback' });
    expect(bed.stored?.size).toBe(20);
  });

  it('does not start when the topic has checkpoints of another key', async () => {
    const bed = await signed(10);
    bed.stored = undefined;
    const other = parseSignerKey(createSignerKey(ORIGIN));
    await expect(bed.start(other)).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  });

  it('starts with its state although somebody else has written to the topic', async () => {
    const bed = await signed(10);
    bed.published.push('not a note');
    expect(await (await bed.start()).sign(true)).toBe(true);
  });

  it.each([
    ['bytes that are no checkpoint', (_: readonly string[]) => 'not a note'],
    ['a copy of an older checkpoint', ([oldest]: readonly string[]) => oldest!],
  ])('takes the largest checkpoint of the topic, though %s came after it', async (_what, later) => {
    const bed = await signed(400, 500);
    bed.stored = { ...openCheckpoint(bed.published[0]!, KEY.verifier), note: bed.published[0]! };
    bed.published.push(later(bed.published));
    expect((await bed.start()).last?.size).toBe(500);
    bed.stored = undefined;
    expect((await bed.start()).last?.size).toBe(500);
  });

  it('does not start when state and topic have different roots at one size', async () => {
    const bed = await signed(10);
    const other = new SigningBed(GrowingLog.ofSize(10, 'other'));
    await (await other.start()).sign(false);
    bed.stored = other.stored;
    await expect(bed.start()).rejects.toThrow('LOG_SIGNER_STATE must be the state of this log');
  });
});
