import {
  createSignerKey,
  formatVerifierKey,
  leafHash as ownLeafHash,
  parseSignerKey,
  signCheckpoint,
  tilePath as ownTilePath,
} from '@countersign/transparency-log';
import { TreeInMemory } from '../../libs/transparency-log/test/tree-in-memory.js';
import { tilePath } from './consume.js';
import { CompactTree, leafHash, openCheckpoint } from './merkle.js';

describe('the hashing of the example, which shares no code with the log', () => {
  it('computes the same root as the log for every size', () => {
    const [tree, made] = [new CompactTree(), new TreeInMemory()];
    for (let size = 0; size < 600; size++) {
      expect(tree.root()).toEqual(made.tree.root());
      const value = Buffer.from(`leaf ${size}`);
      tree.append(leafHash(value));
      made.append([ownLeafHash(value)]);
    }
  });

  it('opens a checkpoint of the log, and none that another key has signed or that was changed', () => {
    const signer = parseSignerKey(createSignerKey('log.example/audit'));
    const key = formatVerifierKey(signer.verifier);
    const head = { size: 7, root: Buffer.alloc(32, 7) };
    const note = signCheckpoint(head, signer);
    expect(openCheckpoint(Buffer.from(note), key)).toEqual(head);
    const other = signCheckpoint(head, parseSignerKey(createSignerKey('log.example/audit')));
    for (const forged of [other, note.replace('\n7\n', '\n8\n'), note.replace(/—.*/, ''), ''])
      expect(openCheckpoint(Buffer.from(forged), key)).toBeUndefined();
  });

  it.each([0, 7, 999, 1000, 1234067])('names tile %i as the log does', (index) => {
    expect(`tile/0/${tilePath(index)}`).toBe(ownTilePath({ level: 0, index, width: 256 }));
  });
});
