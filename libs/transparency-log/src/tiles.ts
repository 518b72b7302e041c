import { EvidenceError } from './evidence-error.js';

/** Hashes or entries of a full tile (c2sp.org/tlog-tiles, "Merkle Tree"). */
export const TILE_WIDTH = 256;
/** Levels of the tree that one tile spans. */
export const TILE_HEIGHT = 8;
/** Longest entry of a bundle: its length is a uint16 (c2sp.org/tlog-tiles, "Log entries"). */
export const MAX_ENTRY_BYTES = 0xffff;
/** The largest level of a tile (c2sp.org/tlog-tiles, "Merkle Tree"). */
const MAX_LEVEL = 63;

/** Names a tile of hashes, or a bundle of entries. */
export interface TileCoordinates {
  readonly level: number | 'entries';
  readonly index: number;
  /** Number of hashes or entries, 1 to 256; less than 256: a partial tile. */
  readonly width: number;
}

/** Names a tile of hashes. */
export interface HashTileCoordinates extends TileCoordinates {
  readonly level: number;
}

/**
 * The path of a tile: `tile/<L>/<N>[.p/<W>]`, or of an entry bundle: `tile/entries/<N>[.p/<W>]`. N is in groups of three
 * digits, all but the last with an `x` (c2sp.org/tlog-tiles, "Merkle Tree").
 */
export function tilePath({ level, index, width }: TileCoordinates): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? [];
  const number = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${number}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** The tile of a path. @returns undefined unless the path is exactly that of `tilePath` */
export function parseTilePath(path: string): TileCoordinates | undefined {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return undefined;
  const [, first = '', number = '', partial] = match;
  const level = first === 'entries' ? 'entries' : Number(first);
  const index = Number(number.replace(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const tile: TileCoordinates = { level, index, width };
  if (width < 1 || (level !== 'entries' && level > MAX_LEVEL) || !Number.isSafeInteger(index)) return undefined;
  return tilePath(tile) === path ? tile : undefined;
}

/** Number of complete subtrees of 256^level leaves in a tree of this size: the hashes of that level of tiles. */
export function hashesAtLevel(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** Width of a tile in a tree of this size; 0 when the tree does not reach it. */
export function tileWidth(level: number, index: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, hashesAtLevel(level, size) - index * TILE_WIDTH));
}

/** The tile of this level and index in a tree of this size. */
export function tileOf(level: number, index: number, size: number): HashTileCoordinates {
  return { level, index, width: tileWidth(level, index, size) };
}

/**
 * The tiles of hashes that are new when a tree grows, level by level. From size 0: all tiles of the tree.
 * @param from size before; the partial tiles of this size are replaced by wider ones
 */
export function tilesOfGrowth(from: number, to: number): HashTileCoordinates[] {
  const tiles: HashTileCoordinates[] = [];
  for (let level = 0; hashesAtLevel(level, to) > 0; level++) {
    const before = hashesAtLevel(level, from);
    const after = hashesAtLevel(level, to);
    if (before === after) break;
    for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < after; index++)
      tiles.push(tileOf(level, index, to));
  }
  return tiles;
}

/** The partial tile of each level in a tree of this size, as `TiledTree.restore` needs them. */
export function partialTilesOf(size: number): HashTileCoordinates[] {
  const tiles: HashTileCoordinates[] = [];
  for (let level = 0; hashesAtLevel(level, size) > 0; level++) {
    const width = hashesAtLevel(level, size) % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: Math.floor(hashesAtLevel(level, size) / TILE_WIDTH), width });
  }
  return tiles;
}

/**
 * A bundle of entries: each with its length before it, a big-endian uint16 (c2sp.org/tlog-tiles, "Log entries").
 * @throws EvidenceError for an entry above 65,535 bytes
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Buffer {
  const parts = entries.flatMap((entry) => {
    if (entry.length > MAX_ENTRY_BYTES) throw new EvidenceError(`an entry has more than ${MAX_ENTRY_BYTES} bytes`);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    return [length, entry];
  });
  return Buffer.concat(parts);
}

/** The entries of a bundle, without a copy; those that are whole when the bundle ends too early. */
export function readEntryBundle(data: Buffer): { readonly entries: Buffer[]; readonly isWhole: boolean } {
  const entries: Buffer[] = [];
  let at = 0;
  while (at + 2 <= data.length) {
    const end = at + 2 + data.readUInt16BE(at);
    if (end > data.length) break;
    entries.push(data.subarray(at + 2, end));
    at = end;
  }
  return { entries, isWhole: at === data.length };
}
