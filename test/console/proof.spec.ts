import { readFileSync } from 'node:fs';
import {
  createSignerKey,
  formatVerifierKey,
  inclusionProof,
  leafHash,
  parseSignerKey,
  signCheckpoint,
  timedKeyOf,
} from '@countersign/transparency-log';
import {
  isKeyText,
  verifyEvent,
  verifyInclusion,
  type EventEvidence,
} from '../../apps/console/src/pages/audit/proof.js';
import { TreeInMemory } from '../../libs/transparency-log/test/tree-in-memory.js';

interface Vector {
  readonly name: string;
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string | null;
  readonly leafHash: string | null;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

/** Data of transparency-dev/merkle, which the library of the log is tested with too. */
const file = new URL('../../libs/transparency-log/test/merkle-proofs.json', import.meta.url);
const { inclusion } = JSON.parse(readFileSync(file, 'utf8')) as { readonly inclusion: readonly Vector[] };
const bytes = (base64: string | null): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64 ?? '', 'base64'));
const base64 = (of: Uint8Array | string): string => Buffer.from(of).toString('base64');

describe('the proof of an event in the browser', () => {
  it('has 98 vectors of inclusion, so that none is lost with an update', () => {
    expect(inclusion).toHaveLength(98);
  });

  it.each(inclusion)('verifies or refuses $name as the library of the log does', async (vector) => {
    const { leafIdx, treeSize, root, leafHash: leaf, proof, wantErr } = vector;
    const path = (proof ?? []).map(bytes);
    expect(await verifyInclusion(leafIdx, treeSize, bytes(leaf), path, bytes(root))).toBe(!wantErr);
  });

  const signer = parseSignerKey(createSignerKey('log.example/audit'));
  const stranger = parseSignerKey(createSignerKey('log.example/audit'));
  const key = formatVerifierKey(signer.verifier);
  const valueOf = (at: number): string => `{"metadata":{"uid":"event-${at}"},  "n":${at}}`;

  async function evidenceOf(index: number, size: number, by = signer): Promise<EventEvidence> {
    const tree = new TreeInMemory();
    tree.append(Array.from({ length: size }, (_, at) => leafHash(Buffer.from(valueOf(at)))));
    const hashes = await inclusionProof(index, size, tree);
    const checkpoint = signCheckpoint({ size, root: tree.tree.root() }, by);
    return { index, size, hashes: hashes.map(base64), checkpoint, value: base64(valueOf(index)) };
  }

  it.each([
    [0, 1],
    [0, 300],
    [255, 300],
    [299, 300],
  ])('holds for entry %i of a signed log of %i entries', async (index, size) => {
    const result = await verifyEvent(await evidenceOf(index, size), `event-${index}`, key);
    expect(result).toEqual({ holds: true, origin: 'log.example/audit', size });
  });

  it('holds when one of several pinned keys has signed', async () => {
    const keys = `${formatVerifierKey(stranger.verifier)}\n${key}\n`;
    expect(await verifyEvent(await evidenceOf(3, 9), 'event-3', keys)).toMatchObject({ holds: true });
  });

  it.each<readonly [string, string, (evidence: EventEvidence) => Partial<EventEvidence>]>([
    ['other bytes', 'inclusion', () => ({ value: base64(valueOf(3).replace('  ', ' ')) })],
    ['another index', 'inclusion', () => ({ index: 4 })],
    ['another size than the signed one', 'inclusion', () => ({ size: 10 })],
    ['a path without a hash', 'inclusion', ({ hashes }) => ({ hashes: hashes.slice(1) })],
    ['a path with one more hash', 'inclusion', ({ hashes }) => ({ hashes: [...hashes, hashes[0] ?? ''] })],
    ['a path that is no base64', 'note', () => ({ hashes: ['!'] })],
    [
      'a changed size in the checkpoint',
      'signature',
      ({ checkpoint }) => ({ checkpoint: checkpoint.replace('\n9\n', '\n8\n') }),
    ],
    [
      'a checkpoint without signatures',
      'unsigned',
      ({ checkpoint }) => ({ checkpoint: `${checkpoint.split('\n\n')[0]}\n\n` }),
    ],
    ['a checkpoint that is no note', 'note', () => ({ checkpoint: 'x' })],
  ])('does not hold for %s, and names %s', async (_what, fault, change) => {
    const evidence = await evidenceOf(3, 9);
    expect(await verifyEvent({ ...evidence, ...change(evidence) }, 'event-3', key)).toEqual({ holds: false, fault });
  });

  it('does not hold for another event of the log, though it is proven', async () => {
    expect(await verifyEvent(await evidenceOf(3, 9), 'event-4', key)).toEqual({ holds: false, fault: 'event' });
  });

  it('does not hold for a log that another key of the same name has signed', async () => {
    const result = await verifyEvent(await evidenceOf(3, 9, stranger), 'event-3', key);
    expect(result).toEqual({ holds: false, fault: 'unsigned' });
  });

  it('accepts keys of logs only, with the id that follows from them', async () => {
    const wrongId = key.replace(/\+([0-9a-f]{8})\+/, '+00000000+');
    const timed = formatVerifierKey(timedKeyOf(signer.verifier));
    const texts = [key, ` ${key} \n\n`, '', 'log.example/audit', wrongId, timed, `${key}\n${wrongId}`];
    expect(await Promise.all(texts.map(isKeyText))).toEqual([true, true, false, false, false, false, false]);
    expect(await verifyEvent(await evidenceOf(3, 9), 'event-3', wrongId)).toEqual({ holds: false, fault: 'key' });
  });
});
