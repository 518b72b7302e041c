import { EvidenceError } from './evidence-error.js';
import { decodeBase64, parseDecimal } from './exact-text.js';
import { EMPTY_ROOT, HASH_BYTES } from './hashing.js';
import { SIGNATURE_TYPES, type SignerKey, type VerifierKey } from './note-keys.js';
import { openNote, signNote } from './signed-note.js';

/** What a log has signed: its size and root (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  /** The name of the log. */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** A checkpoint with a verified signature of its log. */
export interface VerifiedCheckpoint extends Checkpoint {
  /** Known witnesses that have signed as well, with the time in seconds since 1970. */
  readonly cosignatures: readonly { readonly name: string; readonly time: number }[];
}

/** The text of a checkpoint, which is then signed. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  parseCheckpoint(text);
  return text;
}

/**
 * Reads the text of a checkpoint. It has three lines: an extension line would be signed and verified by nobody, and is
 * refused.
 * @throws EvidenceError for any other form than that of `formatCheckpoint`
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', decimal = '', base64 = '', end, ...others] = text.split('\n');
  if (origin === '' || end !== '' || others.length > 0)
    throw new EvidenceError('a checkpoint has three lines: origin, size and root');
  const size = parseDecimal(decimal);
  const root = decodeBase64(base64);
  if (size === undefined) throw new EvidenceError('the size of a checkpoint is a number without leading zeros');
  if (root?.length !== HASH_BYTES) throw new EvidenceError('the root of a checkpoint is the base64 of 32 bytes');
  if (size === 0 && !root.equals(EMPTY_ROOT))
    throw new EvidenceError('the root of an empty log is the hash of no bytes');
  return { origin, size, root };
}

/** A checkpoint signed by the log; the name of its key is the origin. */
export function signCheckpoint(head: { readonly size: number; readonly root: Buffer }, signer: SignerKey): string {
  return signNote(formatCheckpoint({ origin: signer.verifier.name, ...head }), [signer]);
}

/**
 * Verifies a checkpoint: the signature of the log, its origin and its exact form.
 * @param log the key of the log; its name is the origin
 * @throws EvidenceError also when a signature of a known witness is wrong
 */
export function openCheckpoint(
  note: Uint8Array | string,
  log: VerifierKey,
  witnesses: readonly VerifierKey[] = [],
): VerifiedCheckpoint {
  // A key of a witness states only what the witness has seen, so it must not count as the log's.
  if (log.type !== SIGNATURE_TYPES.ed25519) throw new EvidenceError('the key of a log has the signature type 1');
  const { text, signatures } = openNote(note, [log, ...witnesses]);
  if (!signatures.some(({ key }) => key === log)) throw new EvidenceError(`${log.name} has not signed`);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name)
    throw new EvidenceError(`the checkpoint is of the log ${checkpoint.origin}, not of ${log.name}`);
  const cosignatures = signatures.flatMap(({ key: { name }, time }) => (time === undefined ? [] : [{ name, time }]));
  return { ...checkpoint, cosignatures };
}
