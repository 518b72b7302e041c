import { foldNodes, nodesOfRange, splitHashes, type TreeNode } from './compact-range.js';
import { EvidenceError } from './evidence-error.js';
import { HASH_BYTES, nodeHash } from './hashing.js';
import { type HashTileCoordinates, TILE_HEIGHT, TILE_WIDTH, tileOf } from './tiles.js';

/** Where the tiles of a tree are read. */
export abstract class TileReader {
  /**
   * The hashes of a tile: at least `width` of them. A reader may return a wider version of the tile.
   * @throws any error when the tile cannot be read
   */
  abstract readTile(tile: HashTileCoordinates): Promise<Buffer>;
}

/**
 * The hashes from the leaf's sibling up to the child of the root (RFC 6962 section 2.1.1). Tiles are not verified: whoever
 * gets the proof verifies it.
 * @throws EvidenceError when the tree has no such leaf, or a tile is too short
 */
export async function inclusionProof(index: number, size: number, tiles: TileReader): Promise<Buffer[]> {
  if (!isSize(index) || !isSize(size) || index >= size)
    throw new EvidenceError(`a tree of ${size} leaves has no leaf ${index}`);
  const ranges: Range[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const split = begin + largestPowerBelow(end - begin);
    const isLeft = index < split;
    ranges.push(isLeft ? [split, end] : [begin, split]);
    [begin, end] = isLeft ? [begin, split] : [split, end];
  }
  return hashRanges(ranges.reverse(), size, tiles);
}

/**
 * The proof that the tree of `to` leaves continues the tree of `from` leaves (RFC 6962 section 2.1.2).
 * @throws EvidenceError unless 0 < from <= to: every tree continues the empty one, so a proof from size 0 would prove nothing
 */
export async function consistencyProof(from: number, to: number, tiles: TileReader): Promise<Buffer[]> {
  if (!isSize(from) || !isSize(to) || from === 0 || from > to)
    throw new EvidenceError(`there is no consistency proof from ${from} to ${to}`);
  const ranges: Range[] = [];
  let [begin, end] = [0, to];
  while (end !== from) {
    const split = begin + largestPowerBelow(end - begin);
    const isLeft = from <= split;
    ranges.push(isLeft ? [split, end] : [begin, split]);
    [begin, end] = isLeft ? [begin, split] : [split, end];
  }
  // The verifier knows the root of the old tree, so it is sent only when it is not the whole of the left side.
  if (begin !== 0) ranges.push([begin, end]);
  return hashRanges(ranges.reverse(), to, tiles);
}

/** The root of the tree, from its tiles. Reads one tile for each level. */
export async function rootFromTiles(size: number, tiles: TileReader): Promise<Buffer> {
  return (await hashRanges([[0, size]], size, tiles))[0]!;
}

/** Whether the proof leads from the leaf to the root (RFC 9162 section 2.1.3.2). Compares public values. */
export function verifyInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let [at, last] = [index, size - 1];
  let hash: Uint8Array = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = nodeHash(hash, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && Buffer.compare(hash, root) === 0;
}

/**
 * Whether the proof shows that the new tree continues the old one (RFC 9162 section 2.1.4.2). A proof from size 0 is
 * refused. Equal sizes need equal roots and no hashes.
 */
export function verifyConsistency(
  from: number,
  to: number,
  proof: readonly Uint8Array[],
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
): boolean {
  if (!isSize(from) || !isSize(to) || from === 0 || from > to) return false;
  if (from === to) return proof.length === 0 && Buffer.compare(oldRoot, newRoot) === 0;
  if (!areHashes([oldRoot, newRoot, ...proof])) return false;
  const path = isPowerOfTwo(from) ? [oldRoot, ...proof] : proof;
  const [first, ...rest] = path;
  if (first === undefined || proof.length === 0) return false;
  let [at, last] = [from - 1, to - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [oldHash, newHash] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      oldHash = nodeHash(hash, oldHash);
      newHash = nodeHash(hash, newHash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else newHash = nodeHash(newHash, hash);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && Buffer.compare(oldHash, oldRoot) === 0 && Buffer.compare(newHash, newRoot) === 0;
}

/** Leaves from the first index to the one before the second. */
type Range = readonly [begin: number, end: number];

async function hashRanges(ranges: readonly Range[], size: number, tiles: TileReader): Promise<Buffer[]> {
  const read = new Map<string, Promise<Buffer[]>>();
  const hashesOf = (level: number, index: number): Promise<Buffer[]> => {
    const key = `${level}/${index}`;
    const found = read.get(key) ?? readHashes(tiles, tileOf(level, index, size));
    read.set(key, found);
    return found;
  };
  return Promise.all(
    ranges.map(async ([begin, end]) =>
      foldNodes(await Promise.all(nodesOfRange(begin, end).map((node) => nodeFrom(node, hashesOf)))),
    ),
  );
}

async function nodeFrom(
  { level, index }: TreeNode,
  hashesOf: (level: number, index: number) => Promise<Buffer[]>,
): Promise<Buffer> {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * count;
  const hashes = await hashesOf(tileLevel, Math.floor(first / TILE_WIDTH));
  let nodes = hashes.slice(first % TILE_WIDTH, (first % TILE_WIDTH) + count);
  while (nodes.length > 1) nodes = nodes.flatMap((left, at) => (at % 2 === 0 ? [nodeHash(left, nodes[at + 1]!)] : []));
  return nodes[0]!;
}

async function readHashes(tiles: TileReader, tile: HashTileCoordinates): Promise<Buffer[]> {
  const data = await tiles.readTile(tile);
  if (data.length < tile.width * HASH_BYTES || data.length % HASH_BYTES !== 0)
    throw new EvidenceError(`tile ${tile.index} of level ${tile.level} must have ${tile.width} hashes`);
  return splitHashes(data);
}

/** The largest power of two below a number above 1: where a tree is split (RFC 6962 section 2.1). */
function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function isPowerOfTwo(size: number): boolean {
  return Number.isInteger(Math.log2(size)) && 2 ** Math.log2(size) === size;
}

/** Sizes exceed 32 bits, so no bit operations. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(values: readonly Uint8Array[]): boolean {
  return values.every((value) => value.length === HASH_BYTES);
}
