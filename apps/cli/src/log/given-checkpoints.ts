import { readFileSync } from 'node:fs';
import {
  type Checkpoint,
  EvidenceError,
  openCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '@countersign/transparency-log';
import { type LogDamage } from './damage.js';

/** A checkpoint as a file or the log gave it, not yet verified. */
export interface GivenCheckpoint {
  /** Where it is from, for reports. */
  readonly where: string;
  readonly note: string | Uint8Array;
}

/** A checkpoint with a verified signature. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly where: string;
  /** Which of the log's keys has signed, from the oldest on. */
  readonly epoch: number;
}

/** A text or a file with the public keys of a log, one per line, the oldest first. @throws EvidenceError */
export function readLogKeys(given: string): VerifierKey[] {
  let text = given;
  // A verifier key contains two plus signs and base64; a file is named otherwise in practice, and is looked for first.
  try {
    text = readFileSync(given, 'utf8');
  } catch (error) {
    if (!/\+[0-9a-f]{8}\+/.test(given))
      throw new EvidenceError(`${given} is no verifier key and no file (${(error as NodeJS.ErrnoException).code})`);
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map(parseVerifierKey);
  if (keys.length === 0) throw new EvidenceError(`${given} has no verifier key`);
  if (new Set(keys.map(({ name }) => name)).size > 1) throw new EvidenceError('the keys are of different logs');
  return keys;
}

/** The notes of a file, each followed by an empty line. */
export function splitCheckpoints(text: string, where: string): GivenCheckpoint[] {
  return text
    .split(/(?<=^— [^\n]*\n)\n/m)
    .filter((note) => note !== '')
    .map((note, at) => ({ where: `checkpoint ${at + 1} of ${where}`, note }));
}

/** Verifies the signature, the origin and the form with the key that has signed. @throws EvidenceError */
export function openGiven({ where, note }: GivenCheckpoint, keys: readonly VerifierKey[]): OpenedCheckpoint {
  let failure: unknown;
  for (const [epoch, key] of keys.entries()) {
    try {
      const { origin, size, root } = openCheckpoint(note, key);
      return { where, origin, size, root, epoch };
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      // What a later key says about a note that it has not signed is less than the fault of the key that has.
      failure = failure === undefined || !/no known key/.test(error.message) ? error : failure;
    }
  }
  throw failure;
}

/**
 * Verifies checkpoints without the tree: signatures, forks of one size, and epochs of keys.
 * @returns the checkpoints by size, each size once, or the first damage
 */
export function openCheckpoints(
  given: readonly GivenCheckpoint[],
  keys: readonly VerifierKey[],
): { readonly opened: OpenedCheckpoint[] } | { readonly damage: LogDamage } {
  const bySize = new Map<number, OpenedCheckpoint>();
  for (const one of given) {
    let checkpoint: OpenedCheckpoint;
    try {
      checkpoint = openGiven(one, keys);
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      return { damage: { kind: 'changed', object: one.where, detail: error.message } };
    }
    const { size, root, where, epoch } = checkpoint;
    const same = bySize.get(size);
    if (same !== undefined && !same.root.equals(root)) {
      const below = Math.max(0, ...[...bySize.keys()].filter((smaller) => smaller < size));
      const detail = `the log has signed another root for ${size} entries in ${same.where}`;
      return { damage: { kind: 'forked', object: where, first: below, last: Math.max(below, size - 1), detail } };
    }
    // A later key may confirm a head that an earlier one has signed.
    if (same === undefined || same.epoch > epoch) bySize.set(size, checkpoint);
  }
  const opened = [...bySize.values()].sort((a, b) => a.size - b.size);
  for (const [at, { where, size, epoch }] of opened.entries()) {
    const before = opened[at - 1];
    // CVE-2023-31439: a key of one epoch must not seal entries of another one.
    if (before !== undefined && epoch < before.epoch) {
      const detail = `an older key has signed ${size} entries, after a newer one has signed ${before.size}`;
      return { damage: { kind: 'forked', object: where, first: before.size, last: size - 1, detail } };
    }
  }
  return { opened };
}
