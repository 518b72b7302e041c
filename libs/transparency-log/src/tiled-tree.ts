import { CompactRange, splitHashes } from './compact-range.js';
import { EvidenceError } from './evidence-error.js';
import { HASH_BYTES } from './hashing.js';
import { type HashTileCoordinates, partialTilesOf, TILE_HEIGHT, TILE_WIDTH } from './tiles.js';

/** A tile of hashes with its content. */
export interface HashTile extends HashTileCoordinates {
  readonly data: Buffer;
}

/** A tree that grows at its right edge, and gives the tiles to write after each batch of leaves. */
export class TiledTree {
  /** The hashes of the last, partial tile of each level. */
  readonly #partial: Buffer[][];

  private constructor(
    private readonly leaves: CompactRange,
    partial: Buffer[][],
  ) {
    this.#partial = partial;
  }

  static empty(): TiledTree {
    return new TiledTree(CompactRange.empty(), []);
  }

  /**
   * The tree as it was.
   * @param tiles the data of the tiles that `partialTilesOf` names for the end of the range, in their order
   * @throws EvidenceError when the tiles have other lengths
   */
  static restore(range: CompactRange, tiles: readonly Buffer[]): TiledTree {
    const partial: Buffer[][] = [];
    const expected = partialTilesOf(range.end);
    if (range.begin !== 0 || tiles.length !== expected.length)
      throw new EvidenceError('a tree is restored from its first leaf and all its partial tiles');
    expected.forEach(({ level, width }, at) => {
      const data = tiles[at]!;
      if (data.length !== width * HASH_BYTES)
        throw new EvidenceError(`the partial tile of level ${level} must have ${width} hashes`);
      partial[level] = splitHashes(data);
    });
    return new TiledTree(range.clone(), partial);
  }

  get size(): number {
    return this.leaves.end;
  }

  get range(): CompactRange {
    return this.leaves;
  }

  root(): Buffer {
    return this.leaves.root();
  }

  /** The partial tile of each level, as `partialTilesOf` names them for this size. */
  partialTiles(): HashTile[] {
    return partialTilesOf(this.size).map(({ level, index, width }) => ({
      level,
      index,
      width,
      data: Buffer.concat(this.#partial[level] ?? []),
    }));
  }

  /**
   * Appends leaves.
   * @returns the tiles to write, as `tilesOfGrowth` names them
   */
  append(leafHashes: readonly Buffer[]): HashTile[] {
    const written: HashTile[] = [];
    const grown = new Map<number, number>();
    for (const hash of leafHashes) {
      this.leaves.append(hash, (treeLevel, at, complete) => {
        if (treeLevel % TILE_HEIGHT !== 0) return;
        const level = treeLevel / TILE_HEIGHT;
        const hashes = (this.#partial[level] ??= []);
        hashes.push(complete);
        const index = Math.floor(at / TILE_WIDTH);
        grown.set(level, index);
        if (hashes.length < TILE_WIDTH) return;
        written.push({ level, index, width: TILE_WIDTH, data: Buffer.concat(hashes) });
        this.#partial[level] = [];
      });
    }
    for (const [level, index] of grown) {
      const hashes = this.#partial[level] ?? [];
      if (hashes.length > 0) written.push({ level, index, width: hashes.length, data: Buffer.concat(hashes) });
    }
    return written;
  }
}
