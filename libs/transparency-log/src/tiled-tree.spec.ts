import fc from 'fast-check';
import { recursiveRoot, TreeInMemory } from '../test/tree-in-memory.js';
import { CompactRange, EMPTY_ROOT, leafHash, partialTilesOf, TiledTree, tilePath, tilesOfGrowth } from './index.js';

/** Trees of a thousand leaves: enough to meet every border of tiles. */
const RUNS = { numRuns: 40 };
const leaves = Array.from({ length: 1_400 }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
/** Jest compares buffers byte by byte, which takes seconds for many tiles. */
const hexOf = (data?: Buffer): string | undefined => data?.toString('hex');
const byPath = <T>(tiles: readonly T[], path: (tile: T) => string): T[] =>
  [...tiles].sort((a, b) => path(a).localeCompare(path(b)));

describe('CompactRange', () => {
  it('has the root of the recursive definition for any number of leaves', () => {
    fc.assert(
      fc.property(fc.nat(1_400), (size) => {
        const range = CompactRange.empty();
        leaves.slice(0, size).forEach((leaf) => range.append(leaf));
        expect(range.root()).toEqual(recursiveRoot(leaves.slice(0, size)));
      }),
      RUNS,
    );
    expect(CompactRange.empty().root()).toEqual(EMPTY_ROOT);
  });

  it('gives the same root however the leaves are divided among ranges, and in whichever order those are merged', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(300), { minLength: 2 }), fc.nat(), (cuts, pick) => {
        const points = cuts.sort((a, b) => a - b);
        const [first = 0, last = 0] = [points[0], points.at(-1)];
        const parts = points.slice(1).map((end, at) => rangeOver(points[at]!, end));
        while (parts.length > 1) {
          const at = pick % (parts.length - 1);
          parts[at]!.merge(parts.splice(at + 1, 1)[0]!);
        }
        expect(hexOf(parts[0]!.serialize())).toBe(hexOf(rangeOver(first, last).serialize()));
        const whole = rangeOver(0, first);
        whole.merge(parts[0]!);
        expect(whole.root()).toEqual(recursiveRoot(leaves.slice(0, last)));
      }),
      RUNS,
    );
  });

  it('continues from its serialized form', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (size, more) => {
        const range = CompactRange.parse(rangeOver(0, size).serialize());
        leaves.slice(size, size + more).forEach((leaf) => range.append(leaf));
        expect(hexOf(range.serialize())).toBe(hexOf(rangeOver(0, size + more).serialize()));
      }),
      RUNS,
    );
  });

  it('refuses bytes of another length, an end before its begin, and a range that does not follow', () => {
    const bytes = rangeOver(0, 7).serialize();
    const reversed = Buffer.concat([bytes.subarray(8, 16), bytes.subarray(0, 8), bytes.subarray(16)]);
    for (const wrong of [Buffer.alloc(0), bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(32)]), reversed])
      expect(() => CompactRange.parse(wrong)).toThrow('not a compact range');
    expect(() => CompactRange.parse(Buffer.alloc(16, 0xff))).toThrow('not a compact range');
    expect(() => rangeOver(0, 3).merge(rangeOver(4, 5))).toThrow('does not continue');
    expect(() => rangeOver(1, 3).root()).toThrow('from the first leaf');
  });
});

describe('TiledTree', () => {
  it('writes the same tiles and has the same root for any division of the leaves into batches', () => {
    const sizes = fc.array(fc.nat(300), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, (batches) => {
        const made = new TreeInMemory();
        for (const batch of batches) {
          const from = made.tree.size;
          const to = Math.min(leaves.length, from + batch);
          const written = made.tree.append(leaves.slice(from, to));
          expect(byPath(written, tilePath).map(tilePath)).toEqual(
            byPath(tilesOfGrowth(from, to), tilePath).map(tilePath),
          );
          for (const tile of written) made.tiles.set(tilePath(tile), tile.data);
        }
        const { size } = made.tree;
        const once = new TreeInMemory();
        once.append(leaves.slice(0, size));
        expect(made.tree.root()).toEqual(recursiveRoot(leaves.slice(0, size)));
        for (const [path, data] of once.tiles) expect(hexOf(made.tiles.get(path))).toBe(hexOf(data));
      }),
      RUNS,
    );
  });

  it('continues from its range and its partial tiles', () => {
    fc.assert(
      fc.property(fc.nat(700), fc.nat(700), (size, more) => {
        const before = new TreeInMemory();
        before.append(leaves.slice(0, size));
        const tiles = partialTilesOf(size).map((tile) => before.tiles.get(tilePath(tile))!);
        const tree = TiledTree.restore(before.tree.range, tiles);
        expect(tree.partialTiles().map(({ data }) => hexOf(data))).toEqual(tiles.map(hexOf));
        const written = tree.append(leaves.slice(size, size + more));
        const expected = before.tree.append(leaves.slice(size, size + more));
        expect(written.map(tilePath)).toEqual(expected.map(tilePath));
        expect(written.map(({ data }) => hexOf(data))).toEqual(expected.map(({ data }) => hexOf(data)));
        expect(tree.root()).toEqual(recursiveRoot(leaves.slice(0, size + more)));
      }),
      RUNS,
    );
  });

  it('refuses to continue with partial tiles of another size', () => {
    const { tree, tiles } = TreeInMemory.withLeaves(300);
    const data = partialTilesOf(300).map((tile) => tiles.get(tilePath(tile))!);
    expect(() => TiledTree.restore(tree.range, [])).toThrow('all its partial tiles');
    expect(() => TiledTree.restore(tree.range, [data[0]!.subarray(32), data[1]!])).toThrow('must have 44 hashes');
  });
});

function rangeOver(begin: number, end: number): CompactRange {
  const range = CompactRange.empty(begin);
  leaves.slice(begin, end).forEach((leaf) => range.append(leaf));
  return range;
}
