import {
  consistencyProof,
  EvidenceError,
  HASH_BYTES,
  type HashTile,
  leafHash,
  readEntryBundle,
  splitHashes,
  TILE_WIDTH,
  type TileCoordinates,
  TiledTree,
  tileOf,
  tilePath,
  verifyConsistency,
  type VerifierKey,
} from '@countersign/transparency-log';
import { type LogDamage, type LogVerdict } from './damage.js';
import { type GivenCheckpoint, openCheckpoints, openGiven, type OpenedCheckpoint } from './given-checkpoints.js';
import { DamageLocator } from './locate-damage.js';
import { IncompleteEvidence, type LogSource } from './log-source.js';
import { PrunedEntries } from './pruned-entries.js';

export interface VerifyLogOptions {
  /** Checkpoints that were kept outside of the log, in addition to the one that it serves. */
  readonly checkpoints?: readonly GivenCheckpoint[];
  /** Verify the hashes of entries, without the entries: for those who may not read them. */
  readonly hashesOnly?: boolean;
  /** A tree that was verified before, with its size a multiple of 256. */
  readonly resumed?: TiledTree;
  /** Size and root that an earlier verification found. They can be beyond `resumed`. */
  readonly seen?: { readonly size: number; readonly root: Buffer };
  /** Receives the hashes of all entries in order, before it is known whether the log is intact. */
  readonly onLeaves?: (begin: number, leaves: readonly Buffer[]) => Promise<void>;
  /** After each tile of 256 entries. `isSettled`: missing entries were stated as pruned so far, and the newest key has signed the log. */
  readonly onProgress?: (verified: TiledTree, size: number, isSettled: boolean) => void;
}

/** Tiles and bundles that are read ahead, which hides the delay of a network. */
const READ_AHEAD = 8;

/** Between which checkpoints the tree begins to differ from what was signed. */
interface Bounds {
  /** Size of the largest checkpoint that agrees. */
  agreed: number;
  /** The smallest checkpoint that does not. */
  differs?: OpenedCheckpoint;
}

/**
 * Verifies a log from outside: signature, form and consistency of all checkpoints, every tile, every entry. Computes the
 * tree again, in bounded memory.
 * @param keys the public keys of the log, the oldest first
 */
export async function verifyLog(
  source: LogSource,
  keys: readonly VerifierKey[],
  options: VerifyLogOptions = {},
): Promise<LogVerdict> {
  try {
    return await verifyAll(source, keys, options);
  } catch (error) {
    if (!(error instanceof IncompleteEvidence)) throw error;
    return { result: 'incomplete', reason: error.message };
  }
}

async function verifyAll(
  source: LogSource,
  keys: readonly VerifierKey[],
  { checkpoints: kept = [], hashesOnly = false, resumed, seen, onLeaves, onProgress }: VerifyLogOptions,
): Promise<LogVerdict> {
  const note = await source.read('checkpoint');
  const served = note === undefined ? undefined : { where: `the checkpoint of ${source.name}`, note };
  const given = served === undefined ? kept : [...kept, served];
  if (given.length === 0)
    return { result: 'incomplete', reason: `there is no checkpoint: ${source.name} has none, and none was given` };
  const found = openCheckpoints(given, keys);
  if ('damage' in found) return tampered(found.damage);
  const head = found.opened.at(-1)!;
  const opened = withSeen(found.opened, head, seen);
  const isConfirmed = isSignedByNewest(given, head, keys);
  const tree = resumed ?? TiledTree.empty();
  const locator = new DamageLocator(source, head, hashesOnly);
  const prunedLocator = new DamageLocator(source, head, true);
  const pruned = new PrunedEntries(tree.size);
  const bounds: Bounds = { agreed: 0 };
  const damage =
    rollbackOf(served === undefined ? head : openGiven(served, keys), head, Math.max(tree.size, seen?.size ?? 0)) ??
    (await compareEarlier(source, opened, head, tree.size)) ??
    (await readEntries(opened.filter(({ size }) => size > tree.size || size === head.size)));
  if (damage !== undefined) return tampered(withMissing(narrowed(damage, bounds), pruned));
  if (pruned.isOpen) {
    // As a copy for those who may not read entries.
    if (pruned.isEverything(head.size))
      throw new IncompleteEvidence(`${source.name} has no entries: verify their hashes alone with --hashes-only`);
    const removal = pruned.removal();
    if (await source.isPruned(removal.object)) prunedMeanwhile(source, removal.object);
    return tampered(removal);
  }
  if (!isConfirmed)
    throw new IncompleteEvidence(
      `the newest key, the last one given, has not signed the ${head.size} entries of ${head.where}, and an older key ` +
        'could be a stolen one: verify again when the signer uses the newest key, or with the keys up to the one in use',
    );
  const { stated } = pruned;
  return {
    ...{ result: 'intact', size: head.size, root: head.root, checkpoints: given.length },
    ...(stated && { pruned: stated }),
  };

  async function readEntries(checkpoints: readonly OpenedCheckpoint[]): Promise<LogDamage | undefined> {
    for await (const part of readAhead(source, tree.size / TILE_WIDTH, head.size, hashesOnly)) {
      const { index, width, tile, bundle } = part;
      const isMissing = !hashesOnly && bundle === undefined && pruned.addMissing(index, width);
      const { leaves, entries, isWhole } = leavesOf(part, hashesOnly || isMissing);
      const isExact = isWhole && leaves?.length === width;
      const path = tilePath({ level: 'entries', index, width });
      if (bundle === undefined && !hashesOnly && !isMissing && (await source.isPruned(path)))
        prunedMeanwhile(source, path);
      if (!isExact || tile === undefined || !tile.equals(Buffer.concat(leaves)))
        return (isMissing ? prunedLocator : locator).locateLeaf(index, width, leaves, tile, isWhole);
      pruned.read(tree.size, entries);
      await onLeaves?.(tree.size, leaves);
      for (const upper of appendTo(tree, leaves, checkpoints, bounds)) {
        const stored = await source.readTile(upper);
        if (stored === undefined || !stored.equals(upper.data))
          return locator.locateTile(upper.level, upper.index, upper.data, stored);
      }
      onProgress?.(tree, head.size, isConfirmed && !pruned.isOpen);
    }
    for (const { data, ...tile } of tree.partialTiles().filter(({ level }) => level > 0)) {
      const stored = await source.readTile(tile);
      if (stored === undefined || !stored.equals(data)) return locator.locateTile(tile.level, tile.index, data, stored);
    }
    return differenceOf(bounds, head, tree);
  }
}

/** The hashes of the entries of a tile; without entries, the stored hashes. */
function leavesOf(
  { width, bundle, tile }: LeafTile,
  hashesOnly: boolean,
): { readonly leaves: Buffer[] | undefined; readonly entries: readonly Buffer[]; readonly isWhole: boolean } {
  if (hashesOnly) {
    const leaves = tile && splitHashes(tile.subarray(0, tile.length - (tile.length % HASH_BYTES)));
    return { leaves, entries: [], isWhole: true };
  }
  if (bundle === undefined) return { leaves: undefined, entries: [], isWhole: true };
  const { entries, isWhole } = readEntryBundle(bundle);
  // The full bundle is served for a partial one when the log has grown.
  const own = width < TILE_WIDTH && entries.length === TILE_WIDTH ? entries.slice(0, width) : entries;
  return { leaves: own.map(leafHash), entries: own, isWhole };
}

/** The entry that states a pruning can be beyond the checkpoint with which the verification began. */
function prunedMeanwhile(source: LogSource, path: string): never {
  throw new IncompleteEvidence(`${source.name}/${path} was pruned, and no entry that was read states it: verify again`);
}

/** The holder of a key that was replaced, perhaps because it was stolen, could sign another continuation of the log. */
function isSignedByNewest(
  given: readonly GivenCheckpoint[],
  head: OpenedCheckpoint,
  keys: readonly VerifierKey[],
): boolean {
  const newest = keys.length - 1;
  if (head.epoch === newest) return true;
  // `head` names the oldest key that has signed it.
  return given.some((one) => {
    const { size, epoch } = openGiven(one, keys);
    return size === head.size && epoch === newest;
  });
}

/** What an earlier verification found counts as a checkpoint. One beyond the head is a rollback, which is reported first. */
function withSeen(
  opened: readonly OpenedCheckpoint[],
  head: OpenedCheckpoint,
  seen: VerifyLogOptions['seen'],
): readonly OpenedCheckpoint[] {
  if (seen === undefined || seen.size === 0 || seen.size > head.size) return opened;
  const own = { ...seen, where: 'the state file', origin: head.origin, epoch: 0 };
  return [...opened.filter(({ size }) => size < seen.size), own, ...opened.filter(({ size }) => size >= seen.size)];
}

/** The log shows fewer entries than it has signed before. */
function rollbackOf(current: OpenedCheckpoint, head: OpenedCheckpoint, verified: number): LogDamage | undefined {
  const known = Math.max(head.size, verified);
  if (current.size >= known) return undefined;
  const source = known === head.size ? head.where : 'the state file';
  const detail = `the log shows ${current.size} entries, and had ${known} by ${source}`;
  return { kind: 'rolled back', object: current.where, first: current.size, last: current.size, detail };
}

/** Checkpoints below the size at which a verification continues are compared by consistency proofs from the tiles. */
async function compareEarlier(
  source: LogSource,
  opened: readonly OpenedCheckpoint[],
  head: OpenedCheckpoint,
  from: number,
): Promise<LogDamage | undefined> {
  for (const earlier of opened.filter(({ size }) => size > 0 && size <= from && size < head.size)) {
    const fork = await forkBetween(source, earlier, head);
    if (fork !== undefined) return fork;
  }
  return undefined;
}

/** The damage when the tiles of a log do not show that a checkpoint continues an earlier one with entries. */
export async function forkBetween(
  source: LogSource,
  earlier: OpenedCheckpoint,
  head: OpenedCheckpoint,
): Promise<LogDamage | undefined> {
  // A tile that is missing or too short proves nothing.
  const tiles = { readTile: async (tile: TileCoordinates) => (await source.readTile(tile)) ?? Buffer.alloc(0) };
  const isConsistent = await consistencyProof(earlier.size, head.size, tiles).then(
    (proof) => verifyConsistency(earlier.size, head.size, proof, earlier.root, head.root),
    (error: unknown) => {
      if (error instanceof EvidenceError) return false;
      throw error;
    },
  );
  if (isConsistent) return undefined;
  const detail = `nothing shows that the ${head.size} entries of ${head.where} continue its ${earlier.size} entries`;
  return { kind: 'forked', object: earlier.where, first: 0, last: earlier.size - 1, detail };
}

/** Appends leaves, comparing the root at each checkpoint. @returns the full tiles above the leaves */
function appendTo(
  tree: TiledTree,
  leaves: readonly Buffer[],
  checkpoints: readonly OpenedCheckpoint[],
  bounds: Bounds,
): HashTile[] {
  const full: HashTile[] = [];
  const begin = tree.size;
  const end = begin + leaves.length;
  const within = checkpoints.filter(({ size }) => size > begin && size <= end);
  for (const to of new Set([...within.map(({ size }) => size), end])) {
    const tiles = tree.append(leaves.slice(tree.size - begin, to - begin));
    full.push(...tiles.filter(({ level, width }) => level > 0 && width === TILE_WIDTH));
    const ofSize = within.filter(({ size }) => size === to);
    if (ofSize.length === 0) continue;
    const differing = ofSize.find(({ root }) => !tree.root().equals(root));
    if (differing !== undefined) bounds.differs ??= differing;
    else if (bounds.differs === undefined) bounds.agreed = to;
  }
  return full;
}

/** All tiles fit to the entries; the checkpoints decide whether those are the entries that were signed. */
function differenceOf({ agreed, differs }: Bounds, head: OpenedCheckpoint, tree: TiledTree): LogDamage | undefined {
  const isHead = tree.root().equals(head.root);
  if (differs === undefined && isHead) return undefined;
  const { where, size } = differs ?? head;
  const range = { object: where, first: agreed, last: size - 1 };
  return isHead
    ? { kind: 'forked', ...range, detail: `the log has signed another history of ${size} entries` }
    : { kind: 'changed', ...range, detail: 'entries and tiles fit together, and do not have the root that was signed' };
}

/** Checkpoints within the tree narrow the place of a damage, when its entries differ from what was signed. */
function narrowed(damage: LogDamage, { agreed, differs }: Bounds): LogDamage {
  if (differs === undefined || damage.first === undefined) return damage;
  const { first, last = first } = damage;
  if (first < differs.size)
    return { ...damage, first: Math.max(first, agreed), last: Math.max(agreed, Math.min(last, differs.size - 1)) };
  // The tree differed before: what looks like the end of the log is the result of a removal.
  const kind = damage.kind === 'truncated' ? 'removed' : damage.kind;
  return { ...damage, kind, object: differs.where, first: agreed, last: differs.size - 1 };
}

/** Mentions entries that are missing before the damage: the entry that would state it may be the damaged one. */
function withMissing(damage: LogDamage, pruned: PrunedEntries): LogDamage {
  if (!pruned.isOpen) return damage;
  const missing = `the entries ${pruned.range} are missing, and no entry before this damage states that they were pruned`;
  return { ...damage, detail: `${damage.detail}; ${missing}` };
}

function tampered(damage: LogDamage): LogVerdict {
  return { result: 'tampered', damage };
}

interface LeafTile {
  readonly index: number;
  readonly width: number;
  readonly bundle: Buffer | undefined;
  readonly tile: Buffer | undefined;
}

async function* readAhead(
  source: LogSource,
  from: number,
  size: number,
  hashesOnly: boolean,
): AsyncGenerator<LeafTile, void> {
  const read = async (index: number): Promise<LeafTile> => {
    const tile = tileOf(0, index, size);
    const [bundle, hashes] = await Promise.all([
      hashesOnly ? undefined : source.readTile({ ...tile, level: 'entries' }),
      source.readTile(tile),
    ]);
    return { index, width: tile.width, bundle, tile: hashes };
  };
  const count = Math.ceil(size / TILE_WIDTH);
  const ahead: Promise<LeafTile>[] = [];
  for (let index = from; index < count || ahead.length > 0;) {
    while (index < count && ahead.length < READ_AHEAD) {
      const next = read(index++);
      // A failure is reported when its turn comes, and never as unhandled.
      next.catch(() => undefined);
      ahead.push(next);
    }
    yield await ahead.shift()!;
  }
}
