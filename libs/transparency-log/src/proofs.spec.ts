import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { recursiveRoot, TreeInMemory } from '../test/tree-in-memory.js';
import { consistencyProof, inclusionProof, rootFromTiles, verifyConsistency, verifyInclusion } from './index.js';

interface Vectors {
  readonly inclusion: readonly {
    name: string;
    leafIdx: number;
    treeSize: number;
    root: string | null;
    leafHash: string | null;
    proof: string[] | null;
    wantErr: boolean;
  }[];
  readonly consistency: readonly {
    name: string;
    size1: number;
    size2: number;
    root1: string | null;
    root2: string | null;
    proof: string[] | null;
    wantErr: boolean;
  }[];
}

/** Data of transparency-dev/merkle at 417fb0c (Apache-2.0); the file names its source. */
const vectors = JSON.parse(readFileSync(new URL('../test/merkle-proofs.json', import.meta.url), 'utf8')) as Vectors;
const bytes = (base64: string | null): Buffer => Buffer.from(base64 ?? '', 'base64');

describe('proofs against the vectors of transparency-dev/merkle', () => {
  it('has 98 vectors of each kind, so that none is lost with an update', () => {
    expect(vectors.inclusion).toHaveLength(98);
    expect(vectors.consistency).toHaveLength(98);
  });

  it.each(vectors.inclusion)('verifies or refuses $name', (vector) => {
    const { leafIdx, treeSize, root, leafHash, proof, wantErr } = vector;
    const holds = verifyInclusion(leafIdx, treeSize, bytes(leafHash), (proof ?? []).map(bytes), bytes(root));
    expect(holds).toBe(!wantErr);
  });

  it.each(vectors.consistency)('verifies or refuses $name', ({ size1, size2, root1, root2, proof, wantErr }) => {
    const holds = verifyConsistency(size1, size2, (proof ?? []).map(bytes), bytes(root1), bytes(root2));
    expect(holds).toBe(!wantErr);
  });
});

describe('proofs from tiles', () => {
  const made = TreeInMemory.withLeaves(600);
  const leaves = made.leaves();
  const grown = new TreeInMemory();
  const roots = [grown.tree.root()];
  // Every size writes its partial tiles, as checkpoints of every size would need them.
  for (const leaf of leaves) {
    grown.append([leaf]);
    roots.push(grown.tree.root());
  }

  it('prove every leaf of every tree up to 600 leaves', async () => {
    let verified = 0;
    for (let size = 1; size <= 600; size++) {
      // Every leaf of some trees, and for all others the leaves around the borders of the subtrees.
      const all = size <= 20 || [255, 256, 257, 600].includes(size);
      for (let index = 0; index < size; index += all ? 1 : Math.ceil(size / 3)) {
        const proof = await inclusionProof(index, size, grown);
        if (!verifyInclusion(index, size, leaves[index]!, proof, roots[size]!))
          throw new Error(`leaf ${index} of ${size} is not proven`);
        verified++;
      }
    }
    expect(verified).toBeGreaterThan(3_000);
  });

  it('prove any leaf of any tree, and no other leaf, index, size or hash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(599), fc.integer({ min: 2, max: 600 }), fc.nat(), async (at, size, other) => {
        const index = at % size;
        const proof = await inclusionProof(index, size, grown);
        const root = roots[size]!;
        const leaf = leaves[index]!;
        expect(verifyInclusion(index, size, leaf, proof, root)).toBe(true);
        expect(verifyInclusion((index + 1 + (other % (size - 1))) % size, size, leaf, proof, root)).toBe(false);
        expect(verifyInclusion(index, size, leaf, proof.slice(1), root)).toBe(false);
        expect(verifyInclusion(index, size, leaf, [...proof, leaf], root)).toBe(false);
        expect(verifyInclusion(index, size, leaves[(index + 1) % 600]!, proof, root)).toBe(false);
        expect(verifyInclusion(index, size, leaf, proof, roots[size - 1]!)).toBe(false);
      }),
    );
  });

  it('prove that any tree continues any smaller one, and none that was altered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 600 }), async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const proof = await consistencyProof(from, to, grown);
        expect(verifyConsistency(from, to, proof, roots[from]!, roots[to]!)).toBe(true);
        expect(verifyConsistency(from, to, proof, roots[from - 1]!, roots[to]!)).toBe(false);
        expect(verifyConsistency(from, to, proof, roots[from]!, roots[to - 1]!)).toBe(false);
        expect(verifyConsistency(from, to, [...proof, roots[1]!], roots[from]!, roots[to]!)).toBe(false);
        if (from < to) expect(verifyConsistency(from, to, proof.slice(1), roots[from]!, roots[to]!)).toBe(false);
      }),
    );
  });

  it('refuse a proof of consistency from size 0, which would prove nothing', async () => {
    await expect(consistencyProof(0, 600, grown)).rejects.toThrow('no consistency proof');
    expect(verifyConsistency(0, 600, [], roots[0]!, roots[600]!)).toBe(false);
    expect(verifyConsistency(0, 0, [], roots[0]!, roots[0]!)).toBe(false);
  });

  it('give the root by the recursive definition, also when only full tiles are kept', async () => {
    for (const size of [1, 2, 255, 256, 257, 600])
      expect(await rootFromTiles(size, grown)).toEqual(recursiveRoot(leaves.slice(0, size)));
    const wide = await rootFromTiles(200, { readTile: (tile) => grown.readTile({ ...tile, width: 256 }) });
    expect(wide).toEqual(roots[200]);
  });

  it('refuse a tile that is too short', async () => {
    await expect(rootFromTiles(300, { readTile: () => Promise.resolve(Buffer.alloc(32)) })).rejects.toThrow(
      /must have (256|44) hashes/,
    );
  });
});
