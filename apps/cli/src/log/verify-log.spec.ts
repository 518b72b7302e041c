import {
  consistencyProof,
  createSignerKey,
  encodeEntryBundle,
  formatCheckpoint,
  leafHash,
  parseSignerKey,
  signNote,
  splitHashes,
  TiledTree,
  verifyConsistency,
  type SignerKey,
} from '@countersign/transparency-log';
import { bundleOf, checkpointOf, entriesOf, LogInMemory, ORIGIN, SIGNER } from '../../test/log-in-memory.js';
import { describeVerdict, type LogVerdict } from './damage.js';
import { type GivenCheckpoint } from './given-checkpoints.js';
import { verifyLog, type VerifyLogOptions } from './verify-log.js';

const SIZE = 1_000;
const entries = entriesOf(SIZE);
const intact = LogInMemory.of(entries);
const kept = (...sizes: number[]): GivenCheckpoint[] =>
  sizes.map((size) => ({ where: `witness ${size}`, note: checkpointOf(entries.slice(0, size)) }));
const verify = (log: LogInMemory, options: VerifyLogOptions = {}): Promise<LogVerdict> =>
  verifyLog(log, [SIGNER.verifier], options);
const damaged = (kind: string, first: number, last = first, object?: string) => ({
  result: 'tampered',
  damage: { kind, first, last, ...(object !== undefined && { object }) },
});
/** A log of other entries with the checkpoint of the intact one. */
const rederived = (changed: readonly Buffer[]): LogInMemory => {
  const log = LogInMemory.of(changed);
  log.files.set('checkpoint', intact.files.get('checkpoint')!);
  return log;
};
const changedAt = (index: number, entry = Buffer.from('altered')): Buffer[] => entries.with(index, entry);
const setBundle = (log: LogInMemory, index: number, bundle: readonly Buffer[]): void =>
  void log.files.set(bundleOf(index * 256, SIZE), encodeEntryBundle(bundle));
const bundle = (index: number, from = entries): Buffer[] => from.slice(index * 256, index * 256 + 256);

describe('an intact log', () => {
  it.each([0, 1, 2, 255, 256, 257, 511, 1_000, 66_000])('of %i entries is found to be intact', async (size) => {
    const log = LogInMemory.of(entriesOf(size));
    expect(await verify(log)).toMatchObject({ result: 'intact', size, checkpoints: 1 });
  });

  it('is intact with every checkpoint that was kept of it, in any order and repeated', async () => {
    const checkpoints = kept(1_000, 1, 256, 300, 999, 300);
    expect(await verify(intact, { checkpoints })).toMatchObject({ result: 'intact', checkpoints: 7 });
  });

  it('is intact when it serves full tiles for the partial ones of its checkpoint', async () => {
    const log = LogInMemory.of(entriesOf(1_024));
    log.files.set('checkpoint', Buffer.from(checkpointOf(entriesOf(1_000))));
    log.files.set('tile/1/000.p/3', log.files.get('tile/1/000.p/4')!.subarray(0, 96));
    expect(await verify(log)).toMatchObject({ result: 'intact', size: 1_000 });
  });

  it('can be verified by its hashes alone', async () => {
    const log = intact.clone();
    for (const path of log.files.keys()) if (path.includes('entries')) log.files.delete(path);
    expect(await verify(log, { hashesOnly: true })).toMatchObject({ result: 'intact' });
    const reason = 'memory has no entries: verify their hashes alone with --hashes-only';
    expect(await verify(log)).toEqual({ result: 'incomplete', reason });
  });

  it('without any checkpoint is incomplete evidence, and with one that was kept it is verified', async () => {
    const log = intact.clone();
    log.files.delete('checkpoint');
    expect(await verify(log)).toMatchObject({ result: 'incomplete' });
    expect(await verify(log, { checkpoints: kept(1_000) })).toMatchObject({ result: 'intact' });
  });

  it('that has grown is verified from where the last verification ended, and consistent with earlier checkpoints', async () => {
    const tree = TiledTree.empty();
    tree.append(entries.slice(0, 768).map(leafHash));
    const log = intact.clone();
    log.files.delete(bundleOf(0, SIZE));
    const checkpoints = kept(300, 768, 900);
    expect(await verify(log, { resumed: tree, checkpoints })).toMatchObject({ result: 'intact', size: 1_000 });
    const other = { where: 'witness 300', note: checkpointOf(entriesOf(300, 'other')) };
    const again = TiledTree.empty();
    again.append(entries.slice(0, 768).map(leafHash));
    expect(await verify(log, { resumed: again, checkpoints: [other] })).toMatchObject(damaged('forked', 0, 299));
  });
});

describe('a log with pruned entries', () => {
  const stating = (to: number, more: object = {}): Buffer => {
    const event = {
      metadata: { tenant_uid: '_installation' },
      unmapped: { kind: 'log.pruned', detail: { from: 0, to } },
    };
    return Buffer.from(JSON.stringify({ ...event, ...more }));
  };
  const prunedLog = (statement: Buffer, bundles = 2): LogInMemory => {
    const log = LogInMemory.of(entries.with(900, statement));
    for (let at = 0; at < bundles; at++) log.files.delete(bundleOf(at * 256, SIZE));
    return log;
  };

  it('is intact when an entry states the range, with all checkpoints that were kept before', async () => {
    const verdict = await verify(prunedLog(stating(511)), { checkpoints: kept(100, 512, 700) });
    const pruned = { from: 0, to: 511, statedBy: 900 };
    expect(verdict).toMatchObject({ result: 'intact', size: SIZE, pruned });
    expect(describeVerdict(verdict)).toContain('entries 0 to 511 pruned, as entry 900 states');
    expect(await verify(prunedLog(stating(511), 0))).not.toHaveProperty('pruned');
    expect(await verify(prunedLog(stating(767)))).toMatchObject({ result: 'intact', pruned });
  });

  it('is verified on from the middle of what was pruned since the last verification', async () => {
    const resumed = TiledTree.empty();
    resumed.append(entries.slice(0, 256).map(leafHash));
    const settled: [number, boolean][] = [];
    const verdict = await verify(prunedLog(stating(511)), {
      resumed,
      onProgress: (tree, _, isSettled) => settled.push([tree.size, isSettled]),
    });
    expect(verdict).toMatchObject({ result: 'intact', pruned: { from: 256, to: 511, statedBy: 900 } });
    // Where it is interrupted before the statement, it must begin again.
    expect(settled).toEqual([
      [512, false],
      [768, false],
      [1_000, true],
    ]);
  });

  it.each([
    [
      'a range that does not begin with the log',
      stating(511, { unmapped: { kind: 'log.pruned', detail: { from: 1, to: 511 } } }),
    ],
    ['a range up to itself', stating(900)],
    ['the range for a tenant', stating(511, { metadata: { tenant_uid: 'acme' } })],
    [
      'the range as an event of another kind',
      stating(511, { unmapped: { kind: 'attempt.decided', detail: { from: 0, to: 511, about: 'log.pruned' } } }),
    ],
    ['nothing that can be read', Buffer.from('{"log.pruned')],
  ])('has removed entries when the entry states %s', async (_, statement) => {
    expect(await verify(prunedLog(statement))).toMatchObject(damaged('removed', 0, 0, 'tile/entries/000'));
  });

  it('has removed entries after the range that an entry states', async () => {
    expect(await verify(prunedLog(stating(255)))).toMatchObject(damaged('removed', 256, 256, 'tile/entries/001'));
  });

  it('shows every other damage: an altered statement, hash or entry, and a hole after entries that remain', async () => {
    const altered = prunedLog(stating(511));
    setBundle(altered, 3, bundle(3).with(900 - 768, stating(510)));
    const verdict = await verify(altered);
    expect(verdict).toMatchObject(damaged('changed', 900));
    expect(describeVerdict(verdict)).toContain('entries 0 to 511 are missing');
    const tile = prunedLog(stating(511));
    const hashes = Buffer.from(tile.files.get('tile/0/001')!);
    hashes[0]! ^= 1;
    tile.files.set('tile/0/001', hashes);
    expect(await verify(tile)).toMatchObject(damaged('changed', 256, 511));
    const hole = prunedLog(stating(1_000 - 1), 0);
    hole.files.delete(bundleOf(256, SIZE));
    expect(await verify(hole)).toMatchObject(damaged('removed', 256, 256, 'tile/entries/001'));
    const cut = prunedLog(stating(511));
    cut.files.delete(bundleOf(999, SIZE));
    expect(await verify(cut)).toMatchObject(damaged('truncated', 768));
    const noHashes = prunedLog(stating(511));
    noHashes.files.delete('tile/0/000');
    expect(await verify(noHashes)).toMatchObject(damaged('removed', 0, 0, 'tile/0/000'));
  });
});

describe('tampering with entries and tiles is found, and the first damaged index named', () => {
  it('one byte of an entry', async () => {
    const log = intact.clone();
    const data = Buffer.from(log.files.get(bundleOf(300, SIZE))!);
    data[data.indexOf('"event":"300"') + 10]! ^= 1;
    log.files.set(bundleOf(300, SIZE), data);
    expect(await verify(log)).toMatchObject(damaged('changed', 300, 300, 'tile/entries/001'));
  });

  it('an entry and its hash in the tile', async () => {
    const log = intact.clone();
    setBundle(log, 1, bundle(1, changedAt(300)));
    const tile = Buffer.from(log.files.get('tile/0/001')!);
    leafHash(Buffer.from('altered')).copy(tile, (300 - 256) * 32);
    log.files.set('tile/0/001', tile);
    expect(await verify(log)).toMatchObject(damaged('changed', 256, 511, 'tile/0/001'));
    expect(await verify(log, { checkpoints: kept(300, 301) })).toMatchObject(damaged('changed', 300));
  });

  it('an entry, its hash and all tiles above, with the signed checkpoint left as it was', async () => {
    expect(await verify(rederived(changedAt(300)))).toMatchObject(damaged('changed', 0, 999));
    const checkpoints = kept(256, 300, 310, 800);
    expect(await verify(rederived(changedAt(300)), { checkpoints })).toMatchObject(damaged('changed', 300, 309));
  });

  it('the whole tree, signed again with another key', async () => {
    const other = parseSignerKey(createSignerKey(ORIGIN));
    const log = LogInMemory.of(changedAt(300), other);
    expect(await verify(log)).toMatchObject({
      result: 'tampered',
      damage: { kind: 'changed', object: 'the checkpoint of memory', detail: 'no known key has signed' },
    });
  });

  it('the whole tree, signed again with the key of the log: only a checkpoint that was kept outside shows it', async () => {
    const log = LogInMemory.of(changedAt(300));
    expect(await verify(log)).toMatchObject({ result: 'intact' });
    expect(await verify(log, { checkpoints: kept(200, 400) })).toMatchObject(
      damaged('forked', 200, 399, 'witness 400'),
    );
  });

  it('a row that was deleted from its bundle', async () => {
    const log = intact.clone();
    setBundle(log, 1, bundle(1).toSpliced(10, 1));
    expect(await verify(log)).toMatchObject(damaged('removed', 266));
  });

  it('a row that was deleted, with all later rows moved and every tile written again', async () => {
    const log = rederived(entries.toSpliced(266, 1));
    log.files.set('tile/0/003.p/232', log.files.get('tile/0/003.p/231')!);
    log.files.set('tile/entries/003.p/232', log.files.get('tile/entries/003.p/231')!);
    expect(await verify(log, { checkpoints: kept(260, 270) })).toMatchObject(damaged('removed', 260, 269));
  });

  it('a row that was deleted, with all later rows moved and the tiles left as they were', async () => {
    const log = intact.clone();
    const moved = entries.toSpliced(511, 1);
    for (const index of [1, 2, 3]) setBundle(log, index, bundle(index, moved));
    expect(await verify(log)).toMatchObject(damaged('removed', 511));
  });

  it('a file of entries or hashes that is missing', async () => {
    for (const path of ['tile/entries/001', 'tile/0/001']) {
      const log = intact.clone();
      log.files.delete(path);
      expect(await verify(log)).toMatchObject(damaged('removed', 256, 256, path));
    }
  });

  it('the tail, with the checkpoint left as it was', async () => {
    const log = intact.clone();
    setBundle(log, 3, bundle(3).slice(0, 32));
    expect(await verify(log)).toMatchObject(damaged('truncated', 800));
    log.files.delete(bundleOf(999, SIZE));
    expect(await verify(log)).toMatchObject(damaged('truncated', 768));
  });

  it('the tail, with an older checkpoint in place: only a checkpoint that was kept outside shows it', async () => {
    const log = LogInMemory.of(entries.slice(0, 700));
    expect(await verify(log)).toMatchObject({ result: 'intact', size: 700 });
    expect(await verify(log, { checkpoints: kept(600, 900) })).toMatchObject(damaged('rolled back', 700));
  });

  it('a log restored from an older backup that has grown again beyond the size it had', async () => {
    const log = LogInMemory.of([...entries.slice(0, 700), ...entriesOf(500, 'new')]);
    expect(await verify(log, { checkpoints: kept(650, 900) })).toMatchObject(damaged('forked', 650, 899));
  });

  it('a log that is smaller than at the verification before', async () => {
    const resumed = TiledTree.empty();
    resumed.append(entries.slice(0, 768).map(leafHash));
    const log = LogInMemory.of(entries.slice(0, 700));
    expect(await verify(log, { resumed })).toMatchObject(damaged('rolled back', 700));
  });

  it('two rows that were swapped, in one bundle and between bundles', async () => {
    const near = intact.clone();
    setBundle(near, 1, bundle(1).with(10, entries[267]!).with(11, entries[266]!));
    expect(await verify(near)).toMatchObject(damaged('reordered', 266));
    const far = intact.clone();
    setBundle(far, 0, bundle(0).with(20, entries[900]!));
    setBundle(far, 3, bundle(3).with(900 - 768, entries[20]!));
    expect(await verify(far)).toMatchObject(damaged('reordered', 20));
  });

  it('a row that was inserted, and an index that occurs twice', async () => {
    const inserted = intact.clone();
    setBundle(inserted, 1, bundle(1).toSpliced(10, 0, Buffer.from('back-dated')).slice(0, 256));
    expect(await verify(inserted)).toMatchObject(damaged('inserted', 266));
    const twice = intact.clone();
    setBundle(twice, 1, bundle(1).toSpliced(10, 0, entries[265]!));
    expect(await verify(twice)).toMatchObject(damaged('inserted', 266));
    const last = intact.clone();
    setBundle(last, 3, [...bundle(3), Buffer.from('more')]);
    expect(await verify(last)).toMatchObject(damaged('inserted', 1_000));
  });

  it('a tile of hashes, at any level', async () => {
    const leaf = intact.clone();
    const hashes = splitHashes(Buffer.from(leaf.files.get('tile/0/002')!));
    leaf.files.set('tile/0/002', Buffer.concat(hashes.with(7, hashes[8]!).with(8, hashes[7]!)));
    expect(await verify(leaf)).toMatchObject(damaged('reordered', 519, 519, 'tile/0/002'));
    const upper = intact.clone();
    const tile = Buffer.from(upper.files.get('tile/1/000.p/3')!);
    tile[40]! ^= 1;
    upper.files.set('tile/1/000.p/3', tile);
    expect(await verify(upper)).toMatchObject(damaged('changed', 256, 511, 'tile/1/000.p/3'));
  });
});

describe('tampering with checkpoints is found', () => {
  const text = formatCheckpoint({ origin: ORIGIN, size: SIZE, root: rootOf(entries) });
  const signed = signNote(text, [SIGNER]);
  const withCheckpoint = (note: string): LogInMemory => {
    const log = intact.clone();
    log.files.set('checkpoint', Buffer.from(note));
    return log;
  };

  it('a fork: two clients have different checkpoints of one size', async () => {
    const note = checkpointOf(changedAt(450));
    const checkpoints = [...kept(400), { where: 'another client', note }];
    expect(await verify(intact, { checkpoints })).toMatchObject({
      damage: { kind: 'forked', object: 'the checkpoint of memory', first: 400, last: 999 },
    });
  });

  it.each([
    ['another origin', signNote(text.replace(ORIGIN, 'log.example/other'), [SIGNER]), 'not of log.example/audit'],
    ['a leading zero in the size', signNote(text.replace('1000', '01000'), [SIGNER]), 'without leading zeros'],
    ['CRLF', signed.replaceAll('\n', '\r\n'), 'control characters'],
    ['an extension line', signNote(`${text}extension\n`, [SIGNER]), 'three lines'],
    ['17 signatures', signNote(text, [SIGNER, ...strangers(16)]), 'at most 16 signatures'],
    ['only unknown keys', signNote(text, strangers(2)), 'no known key'],
    ['a doubled line of the key', `${signed}${signed.split('\n').at(-2)}\n`, 'signed twice'],
    ['no signature', `${text}\n`, 'signatures'],
  ])('a checkpoint with %s', async (_, note, detail) => {
    const verdict = await verify(withCheckpoint(note));
    expect(verdict).toMatchObject({ result: 'tampered', damage: { object: 'the checkpoint of memory' } });
    expect(verdict.result === 'tampered' && verdict.damage.detail).toContain(detail);
  });

  it('an older key that signs a newer head, and a newer key that signs older entries', async () => {
    const newer = parseSignerKey(createSignerKey(ORIGIN));
    const keys = [SIGNER.verifier, newer.verifier];
    const log = withCheckpoint(checkpointOf(entries, newer));
    const at = (size: number, signer: SignerKey): GivenCheckpoint => ({
      where: `witness ${size}`,
      note: checkpointOf(entries.slice(0, size), signer),
    });
    const rotated = [at(400, SIGNER), at(500, SIGNER), at(500, newer), at(600, newer)];
    expect(await verifyLog(log, keys, { checkpoints: rotated })).toMatchObject({ result: 'intact' });
    const crossed = [at(400, newer), at(600, SIGNER)];
    expect(await verifyLog(log, keys, { checkpoints: crossed })).toMatchObject(
      damaged('forked', 400, 599, 'witness 600'),
    );
  });

  it('a head that only a replaced key has signed is incomplete evidence, until the newest key has signed it', async () => {
    const newer = parseSignerKey(createSignerKey(ORIGIN));
    const keys = [SIGNER.verifier, newer.verifier];
    const settled: boolean[] = [];
    const onProgress: VerifyLogOptions['onProgress'] = (_tree, _size, isSettled) => void settled.push(isSettled);
    const verdict = await verifyLog(intact, keys, { onProgress });
    expect(verdict).toMatchObject({ result: 'incomplete' });
    expect(describeVerdict(verdict)).toContain('the newest key, the last one given, has not signed the 1000 entries');
    // A state must not continue what may be a forged continuation.
    expect(settled).not.toContain(true);
    const confirmed = { where: 'witness', note: checkpointOf(entries, newer) };
    expect(await verifyLog(intact, keys, { checkpoints: [confirmed] })).toMatchObject({ result: 'intact' });
    expect(await verifyLog(intact, [newer.verifier, SIGNER.verifier])).toMatchObject({ result: 'intact' });
    expect(await verifyLog(rederived(changedAt(300)), keys)).toMatchObject({ result: 'tampered' });
    const older = { where: 'witness', note: checkpointOf(entries.slice(0, 400), newer) };
    expect(await verifyLog(intact, keys, { checkpoints: [older] })).toMatchObject(damaged('forked', 400, 999));
  });

  it('an empty log in place of one that had entries', async () => {
    const log = LogInMemory.of([]);
    expect(await verify(log, { checkpoints: kept(3) })).toMatchObject(damaged('rolled back', 0));
  });

  it('a consistency proof with another number of hashes, another size, or from size 0', async () => {
    const tiles = { readTile: async (tile: Parameters<LogInMemory['readTile']>[0]) => (await intact.readTile(tile))! };
    const proof = await consistencyProof(300, SIZE, tiles);
    const [old, anew] = [rootOf(entries.slice(0, 300)), rootOf(entries)];
    expect(verifyConsistency(300, SIZE, proof, old, anew)).toBe(true);
    expect(verifyConsistency(300, SIZE, proof.slice(1), old, anew)).toBe(false);
    expect(verifyConsistency(300, SIZE, [...proof, old], old, anew)).toBe(false);
    expect(verifyConsistency(301, SIZE, proof, old, anew)).toBe(false);
    expect(verifyConsistency(0, SIZE, [], rootOf([]), anew)).toBe(false);
  });
});

function rootOf(some: readonly Buffer[]): Buffer {
  const tree = TiledTree.empty();
  tree.append(some.map(leafHash));
  return tree.root();
}

function strangers(count: number): SignerKey[] {
  return Array.from({ length: count }, (_, at) => parseSignerKey(createSignerKey(`stranger.example/${at}`)));
}
