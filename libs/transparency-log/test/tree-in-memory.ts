import {
  EvidenceError,
  leafHash,
  nodeHash,
  splitHashes,
  EMPTY_ROOT,
  TiledTree,
  tilePath,
  TileReader,
  type TileCoordinates,
} from '../src/index.js';

/** The root by the recursive definition of RFC 6962 section 2.1. */
export function recursiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return nodeHash(recursiveRoot(leaves.slice(0, split)), recursiveRoot(leaves.slice(split)));
}

/** A tree with its tiles in memory; every version of a partial tile is kept. */
export class TreeInMemory extends TileReader {
  readonly tiles = new Map<string, Buffer>();
  readonly tree = TiledTree.empty();

  /** @param count leaves; leaf n is the text `leaf n` */
  static withLeaves(count: number): TreeInMemory {
    const made = new TreeInMemory();
    made.append(Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`))));
    return made;
  }

  append(leaves: readonly Buffer[]): void {
    for (const tile of this.tree.append(leaves)) this.tiles.set(tilePath(tile), tile.data);
  }

  override readTile(tile: TileCoordinates): Promise<Buffer> {
    const data = this.tiles.get(tilePath(tile)) ?? this.tiles.get(tilePath({ ...tile, width: 256 }));
    if (data === undefined) throw new EvidenceError(`${tilePath(tile)} is missing`);
    return Promise.resolve(data);
  }

  /** All leaf hashes, from the tiles. */
  leaves(): Buffer[] {
    const { size } = this.tree;
    return Array.from({ length: Math.ceil(size / 256) }, (_, index) => {
      const width = Math.min(256, size - index * 256);
      return splitHashes(this.tiles.get(tilePath({ level: 0, index, width }))!);
    }).flat();
  }
}
