import {
  type Checkpoint,
  CompactRange,
  EvidenceError,
  HASH_BYTES,
  type HashTileCoordinates,
  hashesAtLevel,
  rootFromTiles,
  splitHashes,
  TILE_WIDTH,
  type TileCoordinates,
  tileOf,
  tilePath,
  type TileReader,
} from '@countersign/transparency-log';
import { type DamageKind, type LogDamage } from './damage.js';
import { type LogSource } from './log-source.js';

/** Where two lists of hashes differ first, and how. */
interface Difference {
  readonly at: number;
  readonly kind: DamageKind;
}

/**
 * Finds out which object is damaged where two objects of a log contradict each other: the one whose hashes lead to the signed
 * root is right. Runs once, after a contradiction was found.
 */
export class DamageLocator {
  constructor(
    private readonly source: LogSource,
    private readonly head: Checkpoint,
    private readonly hashesOnly: boolean,
  ) {}

  /**
   * An entry bundle and its tile contradict each other, or one of them is missing or cut.
   * @param computed hashes of the entries
   * @param tile the stored hashes
   * @param isWhole whether the bundle ends with a whole entry
   */
  async locateLeaf(
    index: number,
    width: number,
    computed: readonly Buffer[] | undefined,
    tile: Buffer | undefined,
    isWhole: boolean,
  ): Promise<LogDamage> {
    const hashTile: HashTileCoordinates = { level: 0, index, width };
    const bundle: TileCoordinates = { level: 'entries', index, width };
    const begin = index * TILE_WIDTH;
    // Without entries, nothing shows which hash is the wrong one.
    if (this.hashesOnly && tile !== undefined && tile.length > width * HASH_BYTES) {
      const detail = `the tile has more than its ${width} hashes`;
      return { kind: 'changed', object: tilePath(hashTile), first: begin, last: begin + width - 1, detail };
    }
    const stored = tile === undefined ? undefined : splitHashes(wholeHashes(tile));
    const isStoredRight = stored?.length === width && (await this.#isAuthentic(hashTile, stored));
    if (isStoredRight && !this.hashesOnly) {
      if (computed === undefined) return this.#missing(bundle);
      const { at, kind } = await this.#compare(computed, stored, index, isWhole);
      const detail = `the entry does not have the hash that was signed${at < width ? `, ${shown(stored[at])}` : ''}`;
      return { kind, object: tilePath(bundle), ...exactly(begin + at), detail };
    }
    if (computed?.length === width && !this.hashesOnly && (await this.#isAuthentic(hashTile, computed)))
      return this.#damagedTile(hashTile, computed, tile);
    if (computed === undefined && !this.hashesOnly) return this.#missing(bundle);
    if (stored === undefined) return this.#missing(hashTile);
    const both = computed ?? [];
    const at = firstDifference(both, stored);
    if (at === Math.min(both.length, stored.length)) {
      // Both end too early, or the tile alone.
      const kind = (await this.#isLast(hashTile)) ? 'truncated' : 'removed';
      const detail = `${tilePath(bundle)} has ${both.length} entries and its tile ${stored.length}, of ${width}`;
      return { kind, object: tilePath(hashTile), ...exactly(begin + at), detail };
    }
    const detail = `neither the entries nor ${tilePath(hashTile)} lead to the root that was signed`;
    return { kind: 'changed', object: tilePath(bundle), first: begin, last: begin + at, detail };
  }

  /** A tile contradicts the tiles or entries below it. */
  async locateTile(level: number, index: number, computed: Buffer, stored: Buffer | undefined): Promise<LogDamage> {
    const tile = tileOf(level, index, this.head.size);
    const hashes = splitHashes(computed);
    if (await this.#isAuthentic(tile, hashes)) return this.#damagedTile(tile, hashes, stored);
    if (stored === undefined) return this.#missing(tile);
    // The stored hash is right, or no hash is: the entries below are not those that were signed.
    const at = firstDifference(hashes, splitHashes(wholeHashes(stored)));
    const covered = TILE_WIDTH ** level;
    const first = (index * TILE_WIDTH + at) * covered;
    const last = Math.min(first + covered, this.head.size) - 1;
    const object = level === 1 ? tilePath(tileOf(0, index * TILE_WIDTH + at, this.head.size)) : tilePath(tile);
    const detail = `its hash in ${tilePath(tile)} is another one, ${shown(splitHashes(wholeHashes(stored))[at])}`;
    return { kind: 'changed', object, first, last, detail };
  }

  /** A tile that differs from its right hashes. */
  async #damagedTile(
    tile: HashTileCoordinates,
    right: readonly Buffer[],
    data: Buffer | undefined,
  ): Promise<LogDamage> {
    if (data === undefined) return this.#missing(tile);
    const stored = splitHashes(wholeHashes(data));
    const at = Math.min(firstDifference(stored, right), right.length - 1);
    const covered = TILE_WIDTH ** tile.level;
    const first = (tile.index * TILE_WIDTH + at) * covered;
    const kind = kindOf(stored, right, at);
    const detail = `a hash of the tile is not that of what lies below it, ${shown(right[at])}`;
    const last = Math.min(first + covered, this.head.size) - 1;
    return { kind, object: tilePath(tile), first, last, detail };
  }

  async #missing(tile: TileCoordinates): Promise<LogDamage> {
    const level = tile.level === 'entries' ? 0 : tile.level;
    const kind = (await this.#isLast(tile)) ? 'truncated' : 'removed';
    const first = tile.index * TILE_WIDTH ** (level + 1);
    const last = level === 0 ? first : Math.min(first + TILE_WIDTH ** (level + 1), this.head.size) - 1;
    return { kind, object: tilePath(tile), first, last, detail: 'the file is missing' };
  }

  /** Whether no later object of the level exists. */
  async #isLast({ level, index }: TileCoordinates): Promise<boolean> {
    const leaf = level === 'entries' ? 0 : level;
    const count = Math.ceil(hashesAtLevel(leaf, this.head.size) / TILE_WIDTH);
    for (const later of new Set([index + 1, count - 1])) {
      if (later <= index || later >= count) continue;
      if ((await this.source.readTile({ ...tileOf(leaf, later, this.head.size), level })) !== undefined) return false;
    }
    return true;
  }

  /** How the entries of a bundle differ from their right hashes. */
  async #compare(
    computed: readonly Buffer[],
    right: readonly Buffer[],
    index: number,
    isWhole: boolean,
  ): Promise<Difference> {
    const at = firstDifference(computed, right);
    if (at === right.length) return { at, kind: 'inserted' };
    if (at === computed.length && isWhole)
      return {
        at,
        kind: (await this.#isLast({ level: 'entries', index, width: right.length })) ? 'truncated' : 'removed',
      };
    const kind = kindOf(computed, right, at);
    // The entry of another bundle in this place: entries were swapped, or all later ones have moved.
    if (kind !== 'changed' || computed[at] === undefined) return { at, kind };
    const elsewhere = await this.#findLeaf(computed[at], index);
    if (elsewhere === undefined) return { at, kind };
    return { at, kind: elsewhere === index * TILE_WIDTH + at + 1 ? 'removed' : 'reordered' };
  }

  /** The index of a leaf in the tiles of another bundle. Reads the tiles one after the other. */
  async #findLeaf(hash: Buffer, except: number): Promise<number | undefined> {
    const count = Math.ceil(this.head.size / TILE_WIDTH);
    for (let index = 0; index < count; index++) {
      if (index === except) continue;
      const data = await this.source.readTile(tileOf(0, index, this.head.size));
      const at = data === undefined ? -1 : splitHashes(wholeHashes(data)).findIndex((leaf) => leaf.equals(hash));
      if (at >= 0) return index * TILE_WIDTH + at;
    }
    return undefined;
  }

  /** Whether these hashes of a tile lead to the signed root, by the stored tiles above. */
  async #isAuthentic(tile: HashTileCoordinates, hashes: readonly Buffer[]): Promise<boolean> {
    if (hashes.length !== tile.width) return false;
    if (tile.width < TILE_WIDTH) return this.#hasRoot(tile, hashes);
    const range = CompactRange.empty();
    hashes.forEach((hash) => range.append(hash));
    const above = tileOf(tile.level + 1, Math.floor(tile.index / TILE_WIDTH), this.head.size);
    const parents = await this.#readHashes(above);
    const parent = parents?.[tile.index % TILE_WIDTH];
    if (parents === undefined || parent === undefined || !range.root().equals(parent)) return false;
    return this.#isAuthentic(above, parents);
  }

  /** The partial tiles of all levels together have the root. */
  async #hasRoot(tile: HashTileCoordinates, hashes: readonly Buffer[]): Promise<boolean> {
    const reader: TileReader = {
      readTile: async (other) =>
        other.level === tile.level && other.index === tile.index
          ? Buffer.concat(hashes)
          : ((await this.source.readTile(other)) ?? Buffer.alloc(0)),
    };
    try {
      return (await rootFromTiles(this.head.size, reader)).equals(this.head.root);
    } catch (error) {
      if (error instanceof EvidenceError) return false;
      throw error;
    }
  }

  async #readHashes(tile: HashTileCoordinates): Promise<Buffer[] | undefined> {
    const data = await this.source.readTile(tile);
    return data?.length === tile.width * HASH_BYTES ? splitHashes(data) : undefined;
  }
}

/** How a list differs from the right one at a position, by itself. */
function kindOf(found: readonly Buffer[], right: readonly Buffer[], at: number): DamageKind {
  const is = (a: Buffer | undefined, b: Buffer | undefined): boolean =>
    a !== undefined && b !== undefined && a.equals(b);
  if (found.length < right.length && at === found.length) return 'truncated';
  if (is(found[at], right[at + 1]) && is(found[at + 1], right[at])) return 'reordered';
  if (is(found[at], right[at + 1]) && (is(found[at + 1], right[at + 2]) || at + 2 >= right.length)) return 'removed';
  if (is(found[at + 1], right[at]) && (is(found[at + 2], right[at + 1]) || at + 1 >= right.length)) return 'inserted';
  return right.some((hash, place) => place > at && is(found[at], hash)) ? 'reordered' : 'changed';
}

function firstDifference(a: readonly Buffer[], b: readonly Buffer[]): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at]!.equals(b[at]!)) at++;
  return at;
}

function wholeHashes(data: Buffer): Buffer {
  return data.subarray(0, data.length - (data.length % HASH_BYTES));
}

function exactly(index: number): { readonly first: number; readonly last: number } {
  return { first: index, last: index };
}

function shown(hash: Buffer | undefined): string {
  return hash?.toString('hex') ?? 'none';
}
