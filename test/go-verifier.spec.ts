import { jest } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  consistencyProof,
  createSignerKey,
  formatVerifierKey,
  inclusionProof,
  leafHash,
  openNote,
  parseSignerKey,
  signCheckpoint,
} from '@countersign/transparency-log';
import { TreeInMemory } from '../libs/transparency-log/test/tree-in-memory.js';
import { openGoVerifier } from './go-verifier.js';

jest.setTimeout(360_000);

const SIZES = [1, 255, 256, 257, 1_000, 66_000];
const folder = mkdtempSync(join(tmpdir(), 'go-verifier-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the verifier of golang.org/x/mod/sumdb, which shares no code with ours', () => {
  it('accepts our checkpoints, tiles and proofs, computes the same roots, and refuses an altered tile', async () => {
    const verify = await openGoVerifier();
    if (typeof verify === 'string') {
      process.stderr.write(`NOT RUN: golang.org/x/mod/sumdb did not verify our checkpoints and tiles: ${verify}\n`);
      return;
    }
    const signerKey = createSignerKey('log.example/audit');
    const log = parseSignerKey(signerKey);
    const entries = Array.from({ length: SIZES.at(-1)! }, (_, index) => Buffer.from(`{"event":${index}}`));
    const made = new TreeInMemory();
    const checkpoints = SIZES.map((size) => {
      made.append(entries.slice(made.tree.size, size).map(leafHash));
      return signCheckpoint({ size, root: made.tree.root() }, log);
    });
    const texts = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('base64'));
    const inclusions = [];
    const consistencies = [];
    for (const size of SIZES) {
      for (const index of new Set([0, Math.floor(size / 3), Math.floor(size / 2), size - 1]))
        inclusions.push({ Index: index, Size: size, Hashes: texts(await inclusionProof(index, size, made)) });
      for (const from of SIZES.filter((smaller) => smaller <= size))
        consistencies.push({ From: from, To: size, Hashes: texts(await consistencyProof(from, size, made)) });
    }
    for (const [path, data] of made.tiles) write(path, data);
    const evidence = {
      VerifierKey: formatVerifierKey(log.verifier),
      SignerKey: signerKey,
      Entries: entries.map((entry) => entry.toString('base64')),
      Checkpoints: checkpoints,
      Inclusions: inclusions,
      Consistencies: consistencies,
    };
    write('evidence.json', JSON.stringify(evidence));

    const { note, ...counts } = JSON.parse(await verify(folder)) as { note: string };
    expect(counts).toMatchObject({
      checkpoints: SIZES.length,
      inclusions: inclusions.length,
      consistencies: consistencies.length,
    });
    expect(openNote(note, [log.verifier]).text).toBe('signed in Go\n');

    const altered = readFileSync(join(folder, 'tile/0/003'));
    altered[100]! ^= 1;
    write('tile/0/003', altered);
    await expect(verify(folder)).rejects.toThrow();
  });
});

function write(path: string, data: Buffer | string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, data);
}
